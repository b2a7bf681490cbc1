package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// told is a Watcher and what it told.
type told struct {
	*Watcher
	t     *testing.T
	dir   string
	names chan string
}

func watcher(t *testing.T) *told {
	t.Helper()
	names := make(chan string, 100)
	w, err := New(func(name string) { names <- name })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &told{Watcher: w, t: t, dir: dir, names: names}
}

func (w *told) set(name string, places ...Place) {
	w.t.Helper()
	if err := w.Set(name, places); err != nil {
		w.t.Fatal(err)
	}
}

func (w *told) write(path string) {
	w.t.Helper()
	path = filepath.Join(w.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(time.Now().String()), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// wants waits for exactly these names, in any order.
func (w *told) wants(names ...string) {
	w.t.Helper()
	for len(names) > 0 {
		select {
		case name := <-w.names:
			i := slices.Index(names, name)
			if i < 0 {
				w.t.Fatalf("told of %q, not of %q", name, names)
			}
			names = slices.Delete(names, i, i+1)
		case <-time.After(10 * time.Second):
			w.t.Fatalf("not told of %q", names)
		}
	}
}

// TestOnlyWhatMatters writes files that do not matter before one that does: were
// they told, they would be told first or twice.
func TestOnlyWhatMatters(t *testing.T) {
	w := watcher(t)
	w.write("a/x.go")
	w.write("deep/below/x.js")
	goFile := func(rel string) bool { return strings.HasSuffix(rel, ".go") }
	w.set("a", Place{Dir: filepath.Join(w.dir, "a"), Match: goFile})
	w.set("deep", Glob(filepath.Join(w.dir, "deep"), "**/*.js"))

	w.write("a/y.txt")
	w.write("a/.hidden.go")
	w.write("a/below/z.go") // not deep
	w.write("other.go")
	w.write("deep/node_modules/m.js")
	w.write("deep/x.css")
	w.write("deep/below/y.js")
	w.wants("deep")
	w.write("a/y.go")
	w.wants("a")

	w.write("deep/new/folder/z.js") // in a folder that was made just now
	w.wants("deep")
	w.write("deep/new/folder/z.js")
	w.wants("deep")

	if err := os.Remove(filepath.Join(w.dir, "a", "x.go")); err != nil {
		t.Fatal(err)
	}
	w.wants("a")

	w.Remove("a")
	w.write("a/y.go")
	w.write("deep/x.js")
	w.wants("deep")
	if w.Watches("a") || !w.Watches("deep") {
		t.Error("Watches is wrong")
	}
}

func TestManyChangesAreToldOnce(t *testing.T) {
	w := watcher(t)
	w.set("a", Place{Dir: w.dir})
	for i := range 50 {
		w.write(fmt.Sprint("file", i))
	}
	w.wants("a")
	w.set("b", Place{Dir: w.dir})
	w.write("last")
	w.wants("a", "b") // and not "a" twice
}

func TestFolderThatIsMadeAgainIsWatched(t *testing.T) {
	w := watcher(t)
	w.write("top")
	w.write("sub/x")
	w.set("a", Place{Dir: w.dir}, Place{Dir: filepath.Join(w.dir, "sub")})
	if err := os.RemoveAll(filepath.Join(w.dir, "sub")); err != nil {
		t.Fatal(err)
	}
	w.write("sub/x") // as a checkout of another branch does
	w.wants("a")
	w.write("sub/x")
	w.wants("a")
}

func TestSetReplacesAndRefuses(t *testing.T) {
	w := watcher(t)
	w.write("one/x")
	w.write("two/x")
	w.set("a", Place{Dir: filepath.Join(w.dir, "one")})
	w.set("a", Place{Dir: filepath.Join(w.dir, "two")})
	w.set("b", Place{Dir: filepath.Join(w.dir, "one")})
	w.write("one/x")
	w.wants("b")
	w.write("two/x")
	w.wants("a")
	if err := w.Set("c", []Place{{Dir: filepath.Join(w.dir, "nowhere")}}); err == nil {
		t.Error("a folder that is not there is watched")
	}
	w.Close()
	w.Close()
	if err := w.Set("a", nil); err != nil {
		t.Error(err)
	}
}

func TestGlob(t *testing.T) {
	for pattern, c := range map[string]struct {
		dir   string
		deep  bool
		yes   []string
		never []string
	}{
		"*.js":            {"", false, []string{"a.js"}, []string{"a.css", "b/a.js"}},
		"src/*.js":        {"src", false, []string{"a.js"}, []string{"b/a.js"}},
		"**/*.js":         {"", true, []string{"a.js", "b/a.js", "c/d/a.js"}, []string{"a.css", "a.js/b"}},
		"src/**":          {"src", true, []string{"a", "b/c"}, nil},
		"src/**/t/*.py":   {"src", true, []string{"t/a.py", "x/t/a.py", "x/y/t/a.py"}, []string{"a.py", "t/x/a.py"}},
		"config.json":     {"", false, []string{"config.json"}, []string{"x.json"}},
		"./x/../y/[ab].c": {"y", false, []string{"a.c"}, []string{"c.c"}},
	} {
		p := Glob("/root", pattern)
		if p.Dir != filepath.Join("/root", c.dir) || p.Deep != c.deep {
			t.Errorf("%s: %s, deep %v", pattern, p.Dir, p.Deep)
		}
		for _, rel := range c.yes {
			if !p.Match(rel) {
				t.Errorf("%s does not match %s", pattern, rel)
			}
		}
		for _, rel := range c.never {
			if p.Match(rel) {
				t.Errorf("%s matches %s", pattern, rel)
			}
		}
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("src/**/*.js", "a/b.js")
	f.Add("**", "a")
	f.Fuzz(func(t *testing.T, pattern, rel string) {
		if len(pattern) > 40 || len(rel) > 40 {
			return // ** is tried everywhere: what a person writes is short
		}
		p := Glob("/root", pattern)
		p.Match(rel)
		if pattern == "**" && rel != "" && !p.Match(rel) {
			t.Errorf("** does not match %q", rel)
		}
	})
}

func ExampleGlob() {
	p := Glob("/team/notify", "src/**/*.js")
	fmt.Println(filepath.ToSlash(p.Dir), p.Deep, p.Match("mail/send.js"), p.Match("readme.md"))
	// Output: /team/notify/src true true false
}
