//go:build unix

package supervise

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
)

func TestReloadTouchesOnlyWhatChanged(t *testing.T) {
	routed := atomic.Int64{}
	var w *world
	w = newWorld(t, func(c *Config) {
		c.Load = func() (*fleet.Fleet, error) { return w.load() }
		c.Applied = func(_ context.Context, f *fleet.Fleet) error { routed.Store(int64(len(f.Services))); return nil }
	},
		aService("same", testchild.Ready, ", replicas: 2"), aService("gone", testchild.Ready, ""),
		aService("scaled", testchild.Ready, ""), aService("other", testchild.Ready, ", replicas: 2"), aService("owned", testchild.Ready, ""))
	w.up()
	same, owned, scaled, gone := w.status("same").Instances, w.one("owned").PID, w.one("scaled").PID, w.one("gone").PID

	mark := w.mark()
	w.write(
		aService("same", testchild.Ready, ", replicas: 2"), aService("new", testchild.Ready, ", route: /new"),
		aService("scaled", testchild.Ready, ", replicas: 2"),
		strings.Replace(aService("other", testchild.Ready, ", replicas: 2"), "hello", "good day", 1),
		aService("owned", testchild.Ready, ", stop_grace: 3s"))
	e := w.awaitAfter(mark, event.FleetReloaded, "")
	want := "added new; removed gone; changed other (env), owned (stop_grace); scaled scaled from 1 to 2; new routes"
	if e.Detail != want {
		t.Errorf("summary %q, want %q", e.Detail, want)
	}
	if routed.Load() != 5 {
		t.Errorf("Applied was told %d services", routed.Load())
	}
	if testchild.Alive(gone) {
		t.Error("gone is still there")
	}
	for i, in := range w.status("same").Instances {
		if in.PID != same[i].PID {
			t.Errorf("same was touched: %+v", in)
		}
	}
	if w.one("owned").PID != owned || w.status("scaled").Instances[0].PID != scaled || w.status("scaled").Ready != 2 || w.status("new").Ready != 1 {
		t.Errorf("status %+v", w.Status().Services)
	}
	for _, in := range w.status("other").Instances {
		if says := get(in.Port, "/hello"); !strings.Contains(says, "good day") {
			t.Errorf("%s says %q", in.ID, says)
		}
	}

	mark = w.mark()
	w.write("  broken: {runs: x}\n")
	e = w.awaitAfter(mark, event.FleetRefused, "")
	if line, _, _ := strings.Cut(e.Detail, "\n"); !strings.Contains(line, "muster.yaml:3:") || !strings.HasSuffix(e.Detail, "the old fleet runs on") {
		t.Errorf("refused: %q", e.Detail)
	}
	for i, in := range w.status("same").Instances {
		if in.PID != same[i].PID {
			t.Errorf("a broken file touched same: %+v", in)
		}
	}
}

func TestWhatIsWrittenDuringTheStartIsNotLost(t *testing.T) {
	var w *world
	w = newWorld(t, func(c *Config) {
		c.Load = func() (*fleet.Fleet, error) { return w.load() }
	}, aService("same", testchild.Ready, ""))
	w.start()
	w.await(event.Starting, "same")
	w.write(aService("same", testchild.Ready, ""), aService("new", testchild.Ready, ""))
	ready, reloaded := w.await(event.FleetReady, ""), w.await(event.FleetReloaded, "")
	if reloaded.Detail != "added new" || reloaded.Time.Before(ready.Time) {
		t.Errorf("ready %v, reloaded %v: %s", ready.Time, reloaded.Time, reloaded.Detail)
	}
}

func TestReloadThatFailsLeavesTheOldInstances(t *testing.T) {
	w := newWorld(t, nil, aService("orders", testchild.Ready, ", replicas: 2"))
	w.up()
	pid := w.status("orders").Instances[0].PID
	w.write(aService("orders", testchild.Exit3, ", replicas: 2"), aService("late", testchild.Exit3, ", ready: {check: /readyz, within: 200ms}"))
	next, err := w.load()
	if err != nil {
		t.Fatal(err)
	}
	err = w.Reload(w.ctx(), next)
	if err == nil || !strings.Contains(err.Error(), `orders-1 runs on: service "orders" (orders-3) exited with code 3 before it was ready`) ||
		!strings.Contains(err.Error(), `service "late" was not ready within 200ms`) {
		t.Errorf("err = %v", err)
	}
	if s := w.status("orders"); s.Ready != 2 || s.Instances[0].PID != pid || !strings.Contains(s.Trouble, "exited with code 3") {
		t.Errorf("orders = %+v", s)
	}
	if e := w.await(event.Failed, "orders"); !strings.Contains(e.Detail, "\n    the configuration is broken") {
		t.Errorf("event %+v", e)
	}
	w.mu.Lock()
	if slices.ContainsFunc(w.events, func(e event.Event) bool { return e.Kind == event.FleetReloaded }) {
		t.Error("a reading of which a part failed is told as applied")
	}
	w.mu.Unlock()

	// The next good reading mends it.
	w.write(aService("orders", testchild.Ready, ", replicas: 2, version: v2"))
	if next, err = w.load(); err != nil {
		t.Fatal(err)
	}
	if err := w.Reload(w.ctx(), next); err != nil {
		t.Fatal(err)
	}
	if s := w.status("orders"); s.Ready != 2 || s.Instances[0].Version != "v2" || s.Trouble != "" {
		t.Errorf("orders = %+v", s)
	}
	if n := len(w.Status().Services); n != 1 {
		t.Errorf("%d services", n)
	}
}

const program = `package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Args[1], " ", "VERSION") })
	http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil)
}
`

// goFleet writes two Go services and returns the path of a service's main.go.
func (w *world) goModule() func(name string) string {
	w.t.Helper()
	dir := filepath.Dir(w.file)
	put := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	put("go.mod", "module example.test/fleet\n\ngo 1.24\n")
	for _, name := range []string{"a", "b"} {
		put("cmd/"+name+"/main.go", program)
	}
	return func(name string) string { return filepath.Join(dir, "cmd", name, "main.go") }
}

func (w *world) edit(path, before, after string) {
	w.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), before, after)), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func TestLiveReloadOfOneGoService(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Watch = true
		c.Env = append(c.Env, "GOWORK=off", "GOFLAGS=-p=1")
	},
		"  a: {run: go run ./cmd/a hello, replicas: 2}\n", "  b: {run: go run ./cmd/b hello}\n")
	main := w.goModule()
	w.up()
	says := func(name string) (all string) {
		for _, in := range w.status(name).Instances {
			all += get(in.Port, "/hello") + "."
		}
		return all
	}
	if got := says("a"); got != "hello VERSION.hello VERSION." {
		t.Fatalf("a says %q", got)
	}
	testchild.Eventually(t, 20*time.Second, "the files are watched", func() bool { return w.watches("a") && w.watches("b") })
	b := w.one("b").PID

	mark, stop := w.mark(), w.fewest("a")
	w.edit(main("a"), "VERSION", "two")
	w.awaitAfter(mark, event.Replaced, "a")
	if least := stop(); least < 2 {
		t.Errorf("there were only %d ready instances", least)
	}
	if got := says("a"); got != "hello two.hello two." {
		t.Errorf("a says %q", got)
	}
	if programs, _ := filepath.Glob(filepath.Join(filepath.Dir(w.file), Folder, "bin", "a-*")); len(programs) != 1 {
		t.Errorf("programs %v", programs)
	}

	mark = w.mark()
	w.edit(main("a"), "func main", "fun main")
	e := w.awaitAfter(mark, event.BuildFailed, "a")
	if !strings.HasPrefix(e.Detail, `service "a" cannot be built: go build -o `) || !strings.Contains(e.Detail, "\n    cmd/a/main.go:9:1: syntax error") {
		t.Errorf("event %q", e.Detail)
	}
	if got := says("a"); got != "hello two.hello two." {
		t.Errorf("with a broken build a says %q", got)
	}

	mark = w.mark()
	w.edit(main("a"), "fun main", "func main") // as it was: nothing to replace
	w.awaitAfter(mark, event.Built, "a")
	w.edit(main("a"), "two", "three")
	w.awaitAfter(mark, event.Replaced, "a")
	if got := says("a"); got != "hello three.hello three." {
		t.Errorf("a says %q", got)
	}
	if w.one("b").PID != b || says("b") != "hello VERSION." {
		t.Error("b was touched")
	}
}

// watches reports whether a service's files are watched by now.
func (w *world) watches(name string) bool {
	files := w.files()
	return files != nil && files.Watches(name)
}

func TestBuildFailureAtStart(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Env = append(c.Env, "GOWORK=off") }, "  a: {run: go run ./cmd/nowhere}\n", aService("good", testchild.Ready, ""))
	w.goModule()
	w.start()
	err := w.fails()
	if !strings.HasPrefix(err.Error(), `service "a" cannot be built: go build -o `) || !strings.Contains(event.Explain(err), "cmd/nowhere") {
		t.Errorf("err = %s", event.Explain(err))
	}
	w.nobodyLeft()
}

func TestLiveReloadOfAScript(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Watch = true },
		`  script: {run: sh scripts/run.sh, env: {TEST_CHILD_ROLE: ready}}`+"\n")
	script := filepath.Join(filepath.Dir(w.file), "scripts", "run.sh")
	if err := os.MkdirAll(filepath.Dir(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("GREETING=one exec "+executable()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.up()
	testchild.Eventually(t, 20*time.Second, "the script is watched", func() bool { return w.watches("script") })
	mark := w.mark()
	w.edit(script, "one", "two")
	w.awaitAfter(mark, event.Replaced, "script")
	if says := get(w.one("script").Port, "/hello"); !strings.HasPrefix(says, "script-2 two ") {
		t.Errorf("it says %q", says)
	}
}
