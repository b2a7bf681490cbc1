// Package include reads a configuration file and all the files that it includes,
// each once. A file names others under the key "include", relative to itself.
// Cycles, and trees too deep, too many or too large, are errors.
package include

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterdev/muster/strictyaml"
)

// File is one file that was read.
type File struct {
	Path  string           // as errors show it: as the user or the including file names it
	Abs   string           // absolute
	Index int              // in the order of reading, from 0
	Root  *strictyaml.Node // a mapping; nil when the file could not be read
	by    []*File          // those that include it
}

// Lineage returns f and the files that include it, directly or not: f first, then
// those read last first, so that the first file of all is the last.
func (f *File) Lineage() []*File {
	list := []*File{f}
	for i := 0; i < len(list); i++ {
		for _, by := range list[i].by {
			if !slices.Contains(list, by) {
				list = append(list, by)
			}
		}
	}
	slices.SortFunc(list[1:], func(a, b *File) int { return b.Index - a.Index })
	return list
}

// Reader reads trees of files. It is for one goroutine.
type Reader struct {
	Read     func(path string) ([]byte, error)
	Errs     *strictyaml.Collector
	MaxFiles int // in a tree
	MaxDepth int // of includes within includes
	MaxSize  int // bytes of all files of a tree

	files  []*File
	byPath map[string]*File // by absolute path, symbolic links resolved
	size   int
	broken bool
}

// Files reads the file at path and those it includes, a file before those it
// includes. whole is false when one of them could not be read, which Errs tells.
func (r *Reader) Files(path string) (files []*File, whole bool) {
	r.files, r.byPath, r.size, r.broken = nil, map[string]*File{}, 0, false
	r.include(path, nil, nil)
	return r.files, !r.broken
}

// include reads one file. above are the files on the way to it, the first of all
// first; from is the value that names it.
func (r *Reader) include(path string, above []*File, from *strictyaml.Node) {
	fail := func(format string, args ...any) {
		r.broken = true
		if from != nil {
			from.Errorf(format, args...)
			return
		}
		r.Errs.Add(strictyaml.Place{File: path}.Errorf(format, args...))
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		fail("the folder of %q is not known: %v", path, err)
		return
	}
	id, err := filepath.EvalSymlinks(abs)
	if err != nil {
		id = abs // reading it tells why
	}
	if again := r.byPath[id]; again != nil {
		if i := slices.Index(above, again); i >= 0 {
			fail("include cycle: %s; remove one of these includes", chain(above[i:], path))
			return
		}
		again.by = append(again.by, above[len(above)-1]) // two files may include a third
		return
	}
	switch {
	case len(above) > r.MaxDepth:
		fail("includes are nested more than %d deep; include the file from a higher one", r.MaxDepth)
		return
	case len(r.files) == r.MaxFiles:
		fail("there are more than %d files; join some", r.MaxFiles)
		return
	}
	data, err := r.Read(path)
	switch {
	case err != nil && from != nil:
		fail("include %s: %v", path, err)
		return
	case err != nil:
		fail("%v", err)
		return
	}
	if r.size += len(data); r.size > r.MaxSize {
		fail("all files together are larger than %d MiB; include less", r.MaxSize>>20)
		return
	}
	f := &File{Path: path, Abs: abs, Index: len(r.files)}
	if len(above) > 0 {
		f.by = []*File{above[len(above)-1]}
	}
	r.files, r.byPath[id] = append(r.files, f), f
	r.parse(f, data, slices.Concat(above, []*File{f}))
}

// parse reads the text of a file, and the files it includes.
func (r *Reader) parse(f *File, data []byte, way []*File) {
	root := strictyaml.Parse(f.Path, data, r.Errs)
	if root == nil || root.Kind != strictyaml.Map {
		r.broken = true
		if root != nil {
			root.Wants("a mapping of keys to values")
		}
		return
	}
	f.Root = root
	for _, p := range root.Pairs {
		if p.Name != "include" {
			continue
		}
		for _, n := range p.Value.OneOrMore() {
			path, ok := n.Text("the path of another file, or a list of paths")
			switch {
			case !ok:
				r.broken = true
			case path == "":
				r.broken = true
				n.Errorf("the path is empty; name a file")
			case filepath.IsAbs(path):
				r.include(filepath.Clean(path), way, n)
			default:
				r.include(filepath.Join(filepath.Dir(f.Path), filepath.FromSlash(path)), way, n)
			}
		}
	}
}

// chain shows the way from a file to itself.
func chain(way []*File, again string) string {
	names := make([]string, 0, len(way)+1)
	for _, f := range way {
		names = append(names, f.Path)
	}
	return strings.Join(append(names, again), " -> ")
}
