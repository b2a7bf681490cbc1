package gen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// output is one generated file; its name is relative to the tree, with slashes.
type output struct {
	name, content string
}

// collect joins the outputs of all plugins, sorted by name. A name outside the tree
// or given twice is an error of the plugins' options.
func collect(plugins []Plugin, made [][]output) ([]output, error) {
	var all []output
	by := map[string]Plugin{}
	for i, outputs := range made {
		for _, o := range outputs {
			if !filepath.IsLocal(filepath.FromSlash(o.name)) {
				return nil, fmt.Errorf("plugin %s: it would write %q, outside the folder of the .proto files; check its options %q", plugins[i], o.name, plugins[i].Options)
			}
			if other, twice := by[o.name]; twice {
				return nil, fmt.Errorf("plugin %s: it would write %s, which %s writes too; check their options", plugins[i], o.name, other)
			}
			by[o.name] = plugins[i]
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b output) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func (o output) path(dir string) string { return filepath.Join(dir, filepath.FromSlash(o.name)) }

// differs reports whether the file in dir is missing or other than generated.
func (o output) differs(dir string) (bool, error) {
	there, err := os.ReadFile(o.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return string(there) != o.content, err
}

// write replaces the file in dir in one step, so that a build that runs meanwhile
// reads the old or the new one.
func (o output) write(dir string) error {
	name := o.path(dir)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".gen-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.WriteString(o.content)
	if err := errors.Join(err, f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
