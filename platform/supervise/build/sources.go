package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/watch"
)

// Sources returns where the files are that a service is made from: those its
// "watch" names; for Go, the folders of all packages of the service's own module
// and of modules replaced by folders; else the program itself, or the folder of
// the script that its command names. Nothing is watched when that cannot be told.
//
// What lies in the fleet's own folder belongs to no service in particular, so
// folders below it are not searched on its account; and the fleet's own files are
// nobody's source.
func (b *Builder) Sources(ctx context.Context, f *fleet.Fleet, s fleet.Service) ([]watch.Place, error) {
	switch {
	case s.Watch != nil:
		var places []watch.Place
		for _, pattern := range s.Watch {
			places = append(places, watch.Glob(s.Dir, pattern))
		}
		return places, nil
	case s.GoPackage != "":
		return b.goSources(ctx, s)
	default:
		return programSources(f, s), nil
	}
}

// goPackage is what `go list -json` says of a package.
type goPackage struct {
	Dir        string   `json:"Dir"`
	Standard   bool     `json:"Standard"`
	EmbedFiles []string `json:"EmbedFiles"`
	Module     *struct {
		Main    bool   `json:"Main"`
		GoMod   string `json:"GoMod"`
		Replace *struct {
			Version string `json:"Version"`
		} `json:"Replace"`
	} `json:"Module"`
}

// local reports whether the package's files may be edited.
func (p goPackage) local() bool {
	if p.Standard || p.Dir == "" {
		return false
	}
	return p.Module == nil || p.Module.Main || p.Module.Replace != nil && p.Module.Replace.Version == ""
}

func (b *Builder) goSources(ctx context.Context, s fleet.Service) ([]watch.Place, error) {
	command := append(append([]string{"go", "list", "-deps", "-e", "-json=Dir,Standard,EmbedFiles,Module"}, s.GoFlags...), s.GoPackage)
	var list bytes.Buffer
	if err := b.run(ctx, s, command, b.Env, &list); err != nil {
		return nil, err
	}
	// A package whose folder is unknown is not listed with one, and the go command
	// may say why in between: what is no JSON is skipped line by line.
	folders := map[string][]string{} // to the extensions that matter there
	note := func(dir string, extensions ...string) { folders[dir] = append(folders[dir], extensions...) }
	for decoder := json.NewDecoder(onlyJSON(&list)); ; {
		var p goPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read what go list says of service %q: %w", s.Name, err)
		}
		if !p.local() {
			continue
		}
		note(p.Dir, ".go", ".s", ".c", ".h", ".cc", ".cpp", ".syso")
		if p.Module != nil && p.Module.GoMod != "" {
			note(filepath.Dir(p.Module.GoMod), ".mod", ".sum")
		}
		for _, file := range p.EmbedFiles {
			note(filepath.Join(p.Dir, filepath.Dir(filepath.FromSlash(file))), path.Ext(file))
		}
	}
	var places []watch.Place
	for dir, extensions := range folders {
		places = append(places, watch.Place{Dir: dir, Match: func(rel string) bool {
			return slices.Contains(extensions, path.Ext(rel)) && !strings.HasSuffix(rel, "_test.go")
		}})
	}
	return places, nil
}

// onlyJSON drops the lines that the go command writes beside its answer, such as
// "go: downloading ...": those of the answer begin with a brace, a tab or a "}".
func onlyJSON(list *bytes.Buffer) io.Reader {
	var kept bytes.Buffer
	for line := range bytes.Lines(list.Bytes()) {
		if strings.ContainsRune("{}\t", rune(line[0])) {
			kept.Write(line)
		}
	}
	return &kept
}

// sourceExtensions are those of files that interpreters read: what a program
// writes beside its source, such as a database or a log, must not start it again.
var sourceExtensions = []string{
	".js", ".mjs", ".cjs", ".ts", ".mts", ".jsx", ".tsx", ".py", ".rb", ".php", ".pl", ".lua", ".sh", ".ex", ".exs", ".clj", ".r", ".jl",
	".html", ".css", ".tmpl", ".sql", ".graphql", ".proto", ".yaml", ".yml", ".toml", ".xml", ".properties",
}

func isSource(rel string) bool { return slices.Contains(sourceExtensions, path.Ext(rel)) }

// programSources guesses from a command what it runs.
func programSources(f *fleet.Fleet, s fleet.Service) []watch.Place {
	inRoot := func(dir string) bool { // the fleet's folder, or one around it
		rel, err := filepath.Rel(dir, f.Dir)
		return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
	}
	folder := func(dir string) watch.Place {
		return watch.Place{Dir: dir, Deep: !inRoot(dir), Match: func(rel string) bool {
			return isSource(rel) && !slices.Contains(f.Files, filepath.Join(dir, filepath.FromSlash(rel)))
		}}
	}
	for i, word := range s.Run {
		if i == 0 && !strings.ContainsRune(word, '/') && !strings.ContainsRune(word, filepath.Separator) {
			continue // found in PATH: not the team's own
		}
		file := word
		if !filepath.IsAbs(file) {
			file = filepath.Join(s.Dir, file)
		}
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			continue
		}
		places := watch.Files(file)
		if i > 0 {
			places = append(places, folder(filepath.Dir(file)))
		}
		return places
	}
	if inRoot(s.Dir) {
		return nil
	}
	return []watch.Place{folder(s.Dir)}
}
