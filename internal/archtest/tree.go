package archtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Tree is the repository's Go code: every package of every module.
type Tree struct {
	Modules  []string  // folders of the modules in go.work, "." for the library
	Packages []Package // sorted by folder
	fset     *token.FileSet
}

// Package is one folder of Go files, for all platforms together.
type Package struct {
	Folder string // relative to the repository, with slashes; "." for the root
	Module string // the folder of its module
	Files  []File // sorted by path
}

// File is one Go file.
type File struct {
	Path      string // relative to the repository
	Test      bool
	Generated bool
	Lines     int
	Imports   []Import // of this repository only
	syntax    *ast.File
}

// Import is one arrow out of a file.
type Import struct {
	Folder string // the imported package's folder
	Line   int
}

// Load reads the modules of go.work in root by `go list` and parses their files. A
// file that does not parse is left out: telling so is the compiler's part.
func Load(ctx context.Context, root string) (*Tree, error) {
	mods, err := list[struct{ Dir string }](ctx, root, "-m")
	if err != nil {
		return nil, err
	}
	args := []string{"-e"}
	var modules []string
	for _, m := range mods {
		folder, err := relative(root, m.Dir)
		if err != nil {
			return nil, err
		}
		modules = append(modules, folder)
		args = append(args, "./"+path.Join(folder, "..."))
	}
	packages, err := list[struct{ Dir string }](ctx, root, args...)
	if err != nil {
		return nil, err
	}
	sources := map[string][]byte{}
	for _, p := range packages {
		if err := read(root, p.Dir, sources); err != nil {
			return nil, err
		}
	}
	return newTree(modules, sources), nil
}

// list runs `go list -json` in the workspace of root.
func list[T any](ctx context.Context, root string, args ...string) ([]T, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-json=Dir"}, args...)...)
	if slices.Contains(args, "-m") { // -json takes no field names for modules
		cmd.Args[2] = "-json"
	}
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, &stderr)
	}
	var all []T
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var one T
		if err := dec.Decode(&one); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
}

// read adds the Go files in dir to sources.
func read(root, dir string, sources map[string][]byte) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) { // renamed between the two looks
			continue
		} else if err != nil {
			return err
		}
		rel, err := relative(root, name)
		if err != nil {
			return err
		}
		sources[rel] = src
	}
	return nil
}

func relative(root, name string) (string, error) {
	rel, err := filepath.Rel(root, name)
	return filepath.ToSlash(rel), err
}

// newTree parses sources, keyed by path.
func newTree(modules []string, sources map[string][]byte) *Tree {
	t := &Tree{Modules: slices.Sorted(slices.Values(modules)), fset: token.NewFileSet()}
	byFolder := map[string][]File{}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		syntax, err := parser.ParseFile(t.fset, name, sources[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		f := File{
			Path:      name,
			Test:      strings.HasSuffix(name, "_test.go"),
			Generated: ast.IsGenerated(syntax),
			Lines:     bytes.Count(sources[name], []byte("\n")),
			Imports:   t.imports(syntax),
			syntax:    syntax,
		}
		byFolder[path.Dir(name)] = append(byFolder[path.Dir(name)], f)
	}
	for _, folder := range slices.Sorted(maps.Keys(byFolder)) {
		t.Packages = append(t.Packages, Package{Folder: folder, Module: t.moduleOf(folder), Files: byFolder[folder]})
	}
	return t
}

func (t *Tree) imports(syntax *ast.File) []Import {
	var all []Import
	for _, spec := range syntax.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		line := t.fset.Position(spec.Pos()).Line
		if name == Module {
			all = append(all, Import{Folder: ".", Line: line})
		} else if folder, ok := strings.CutPrefix(name, Module+"/"); ok {
			all = append(all, Import{Folder: folder, Line: line})
		}
	}
	return all
}

// moduleOf returns the deepest module that holds folder.
func (t *Tree) moduleOf(folder string) string {
	best := "."
	for _, m := range t.Modules {
		if matches(m+"/...", folder) && (best == "." || len(m) > len(best)) {
			best = m
		}
	}
	return best
}
