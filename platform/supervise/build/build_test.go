//go:build unix

package build_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/build"
	"github.com/musterdev/muster/platform/supervise/process"
	"github.com/musterdev/muster/platform/supervise/watch"
)

type nobody struct{}

func (nobody) Add(int)    {}
func (nobody) Remove(int) {}

func builder(t *testing.T) *build.Builder {
	t.Helper()
	s := process.NewStarter(nobody{})
	t.Cleanup(s.Close)
	return &build.Builder{
		Starter: s, Dir: filepath.Join(t.TempDir(), "bin"),
		Env: append(os.Environ(), "GOWORK=off", "GOFLAGS=-p=1"),
	}
}

// files writes a tree of files and returns its root.
func files(t *testing.T, tree map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range tree {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// module is two modules, one replaced by the other's folder, with an embedded file.
var module = map[string]string{
	"app/go.mod": "module example.test/app\n\ngo 1.24\n\nrequire example.test/lib v0.0.0\n\nreplace example.test/lib => ../lib\n",
	"app/cmd/a/main.go": "package main\n\nimport (\n\t_ \"embed\"\n\t\"os\"\n\n\t\"example.test/app/text\"\n\t\"example.test/lib\"\n)\n\n" +
		"func main() { os.Stdout.WriteString(text.Text() + lib.Name + os.Args[1]) }\n",
	"app/text/text.go":        "package text\n\nimport _ \"embed\"\n\n//go:embed data/hello.txt\nvar hello string\n\nfunc Text() string { return hello }\n",
	"app/text/data/hello.txt": "hello ",
	"app/unused/unused.go":    "package unused\n",
	"lib/go.mod":              "module example.test/lib\n\ngo 1.24\n",
	"lib/lib.go":              "package lib\n\nconst Name = \"lib \"\n",
}

func TestGoProgramAndItsSources(t *testing.T) {
	b, dir := builder(t), files(t, module)
	s := fleet.Service{Name: "a", Dir: filepath.Join(dir, "app"), GoPackage: "./cmd/a", GoFlags: []string{"-trimpath"}}
	first, err := b.Build(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(first, "world").CombinedOutput(); err != nil || string(out) != "hello lib world" {
		t.Errorf("it says %q, %v", out, err)
	}
	if again, err := b.Build(t.Context(), s); err != nil || again != first {
		t.Errorf("the same files are built to %s and %s, %v", first, again, err)
	}

	places, err := b.Sources(t.Context(), &fleet.Fleet{Dir: dir}, s)
	if err != nil {
		t.Fatal(err)
	}
	matters := func(path string) bool {
		return slices.ContainsFunc(places, func(p watch.Place) bool {
			rel, err := filepath.Rel(p.Dir, filepath.Join(dir, path))
			return err == nil && !strings.Contains(rel, "/") && p.Match(rel)
		})
	}
	for path, want := range map[string]bool{
		"app/cmd/a/main.go": true, "app/text/text.go": true, "app/text/new.go": true, "app/text/data/hello.txt": true, "app/text/data/more.txt": true,
		"app/go.mod": true, "lib/lib.go": true, "lib/go.mod": true,
		"app/text/text_test.go": false, "app/unused/unused.go": false, "app/text/notes.md": false, "app/cmd/a/a.db": false,
	} {
		if matters(path) != want {
			t.Errorf("%s matters: %v", path, !want)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, "lib/lib.go"), []byte("package lib\n\nconst Name = \"new \"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := b.Build(t.Context(), s)
	if err != nil || second == first {
		t.Errorf("another program is built to %s, %v", second, err)
	}
	b.Prune("a", second)
	if left, _ := os.ReadDir(b.Dir); len(left) != 1 || filepath.Join(b.Dir, left[0].Name()) != second {
		t.Errorf("left %v", left)
	}
}

func TestBuildErrors(t *testing.T) {
	b, dir := builder(t), files(t, map[string]string{
		"go.mod":    "module example.test/bad\n\ngo 1.24\n",
		"main.go":   "package main\n\nfunc main() { undefined() }\n",
		"make.sh":   "echo made > made.txt; echo fine\n",
		"broken.sh": "echo one; echo two >&2; exit 4\n",
	})
	for name, c := range map[string]struct {
		service fleet.Service
		line    string
		details string
	}{
		"compiler": {
			fleet.Service{GoPackage: "."},
			`service "s" cannot be built: go build -o ` + filepath.Join(b.Dir, "s.new") + ` . exited with code 1`,
			"./main.go:3:15: undefined: undefined",
		},
		"command": {fleet.Service{Build: []string{"sh", "broken.sh"}}, `service "s" cannot be built: sh broken.sh exited with code 4`, "one\ntwo"},
		"missing": {fleet.Service{Build: []string{"no-such-builder"}}, `service "s" cannot be built: no-such-builder cannot be started: "no-such-builder" is not in PATH; install it, or correct "run"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.service.Name, c.service.Dir = "s", dir
			_, err := b.Build(t.Context(), c.service)
			var failed *build.Error
			if !errors.As(err, &failed) || !strings.HasPrefix(err.Error(), c.line) || !strings.Contains(strings.Join(failed.Details(), "\n"), c.details) {
				t.Errorf("err = %v\n%q", err, failed.Details())
			}
		})
	}
	if program, err := b.Build(t.Context(), fleet.Service{Name: "s", Dir: dir, Build: []string{"sh", "make.sh"}}); err != nil || program != "" {
		t.Errorf("Build = %q, %v", program, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "made.txt")); err != nil {
		t.Error(err)
	}
	if program, err := b.Build(t.Context(), fleet.Service{Name: "s", Dir: dir, Run: []string{"x"}}); err != nil || program != "" {
		t.Errorf("nothing to build: %q, %v", program, err)
	}
}

func TestBuildEndsWithItsContext(t *testing.T) {
	b := builder(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("nobody wants it any more")
	time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
	_, err := b.Build(ctx, fleet.Service{Name: "s", Dir: t.TempDir(), Build: []string{"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"}})
	if !errors.Is(err, reason) {
		t.Errorf("err = %v", err)
	}
}

func TestSourcesOfPrograms(t *testing.T) {
	dir := files(t, map[string]string{"notify/server.js": "", "notify/lib/mail.js": "", "tool": "", "app.py": "", "web/x.rb": ""})
	abs := func(path string) string { return filepath.Join(dir, path) }
	for name, c := range map[string]struct {
		service fleet.Service
		yes, no []string
	}{
		"script":         {fleet.Service{Dir: dir, Run: []string{"node", "notify/server.js"}}, []string{"notify/server.js", "notify/lib/mail.js"}, []string{"notify/data.db", "app.py", "notify/out.log", "notify/muster.yaml"}},
		"script in root": {fleet.Service{Dir: dir, Run: []string{"python3", "-u", "app.py"}}, []string{"app.py", "settings.toml"}, []string{"notify/server.js", "web/x.rb", "muster.yaml"}},
		"program":        {fleet.Service{Dir: dir, Run: []string{"./tool", "app.py"}}, []string{"tool"}, []string{"app.py"}},
		"own folder":     {fleet.Service{Dir: abs("web"), Run: []string{"rackup"}}, []string{"web/x.rb", "web/views/index.html"}, []string{"app.py", "web/x.sqlite"}},
		"nobody knows":   {fleet.Service{Dir: dir, Run: []string{"rackup"}}, nil, []string{"app.py"}},
		"globs":          {fleet.Service{Dir: dir, Run: []string{"node", "notify/server.js"}, Watch: []string{"web/**", "*.py"}}, []string{"web/a/b", "app.py"}, []string{"notify/server.js"}},
		"never":          {fleet.Service{Dir: dir, Run: []string{"node", "notify/server.js"}, Watch: []string{}}, nil, []string{"notify/server.js"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fleet.Fleet{Dir: dir, Files: []string{abs("muster.yaml"), abs("notify/muster.yaml")}}
			places, err := (&build.Builder{}).Sources(t.Context(), f, c.service)
			if err != nil {
				t.Fatal(err)
			}
			matters := func(path string) bool {
				return slices.ContainsFunc(places, func(p watch.Place) bool {
					rel, err := filepath.Rel(p.Dir, abs(path))
					return err == nil && !strings.HasPrefix(rel, "..") && (p.Deep || !strings.Contains(rel, "/")) && p.Match(rel)
				})
			}
			for _, path := range c.yes {
				if !matters(path) {
					t.Errorf("%s does not matter", path)
				}
			}
			for _, path := range c.no {
				if matters(path) {
					t.Errorf("%s matters", path)
				}
			}
		})
	}
}

func ExampleBuilder_Build() {
	starter := process.NewStarter(nobody{})
	defer starter.Close()
	b := &build.Builder{Starter: starter, Env: os.Environ()}
	_, err := b.Build(context.Background(), fleet.Service{Name: "site", Build: []string{"sh", "-c", "echo no such template; exit 1"}})
	fmt.Println(err)
	if failed, ok := errors.AsType[*build.Error](err); ok {
		fmt.Println(failed.Details())
	}
	// Output:
	// service "site" cannot be built: sh -c echo no such template; exit 1 exited with code 1
	// [no such template]
}
