package fleet

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the wanted parts of testdata")

// testCase is one file of testdata: options, then files, each after a line
// "-- name --"; the one named "want" is what comes out.
type testCase struct {
	path    string
	options map[string]string
	names   []string
	files   map[string]string
}

func readCase(t testing.TB, path string) testCase {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := testCase{path: path, options: map[string]string{}, files: map[string]string{}}
	name := ""
	for line := range strings.Lines(string(data)) {
		if n, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(n, " --\n") {
			name = strings.TrimSuffix(n, " --\n")
			c.names = append(c.names, name)
			continue
		}
		if name == "" {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				c.options[key] = value
			}
			continue
		}
		c.files[name] += line
	}
	return c
}

// cases runs f on every file of a folder of testdata.
func cases(t *testing.T, folder string, f func(t *testing.T, c testCase)) {
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases in testdata/%s: %v", folder, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			f(t, readCase(t, path))
		})
	}
}

// load loads the first file of a case without touching the disk.
func (c testCase) load() (*Fleet, error) {
	opts := Options{Environment: c.options["environment"]}
	if _, ok := c.options["env"]; ok {
		env := map[string]string{}
		for pair := range strings.FieldsSeq(c.options["env"]) {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		opts.Env = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	}
	return load(c.names[0], opts, c.read)
}

func (c testCase) read(path string) ([]byte, error) {
	if text, ok := c.files[filepath.ToSlash(path)]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

// want compares got with the case's wanted part, or rewrites that.
func (c testCase) want(t *testing.T, got string) {
	t.Helper()
	if !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	if want := c.files["want"]; got == want {
		return
	} else if !*update {
		t.Errorf("%s:\ngot:\n%swant:\n%s", c.path, got, want)
		return
	}
	data, err := os.ReadFile(c.path)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(data), "-- want --\n")
	if err := os.WriteFile(c.path, []byte(head+"-- want --\n"+got), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestErrors compares every line of every mistake with what it was when a person
// last read it. Run with -update, then read the difference.
func TestErrors(t *testing.T) {
	cases(t, "errors", func(t *testing.T, c testCase) {
		f, err := c.load()
		if err == nil {
			t.Fatalf("%s was accepted: %+v", c.path, f)
		}
		if f != nil {
			t.Error("a fleet came with the error")
		}
		checkErrors(t, err)
		c.want(t, err.Error())
	})
}

// checkErrors checks what holds for the errors of every Load.
func checkErrors(t testing.TB, err error) {
	t.Helper()
	var list *Errors
	var first *Error
	if !errors.As(err, &list) || !errors.As(err, &first) {
		t.Fatalf("the error is a %T: %v", err, err)
	}
	if n := len(list.List); n == 0 || n > 20 || n < 20 && list.Omitted > 0 {
		t.Errorf("%d errors and %d omitted", n, list.Omitted)
	}
	if first != list.List[0] {
		t.Errorf("errors.As finds %v, not the first", first)
	}
	for _, e := range list.List {
		if e.Message == "" || strings.ContainsAny(e.Error(), "\n\r\x00") || len(e.Message) > 700 {
			t.Errorf("not one plain line: %q", e.Error())
		}
		if e.File != "" && (e.Line < 0 || e.Column < 0 || e.Line == 0 && e.Column != 0) {
			t.Errorf("no such place: %q", e.Error())
		}
	}
	if !slices.IsSortedFunc(list.List, func(a, b *Error) int {
		if a.File == b.File && a.Line != b.Line {
			return a.Line - b.Line
		}
		return strings.Compare(a.File, b.File)
	}) {
		t.Errorf("not sorted by place:\n%v", err)
	}
}
