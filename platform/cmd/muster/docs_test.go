package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// The README's and the quick start's commands are run as they stand; only ports are
// others.

// block is one fenced block of a page.
type block struct{ language, name, text string }

var fence = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

func blocks(t *testing.T, file string) []block {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []block
	for _, m := range fence.FindAllStringSubmatch(string(data), -1) {
		list = append(list, block{m[1], m[2], m[3]})
	}
	return list
}

// binary builds the real muster once for the tests that run it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "muster-docs-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "muster")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// command is a muster that runs beside the test until its end.
type command struct {
	t    *testing.T
	edge string
	dir  string
	env  []string
	out  *output
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func runMuster(t *testing.T, dir string, env []string, args ...string) *command {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	edge := freePort(t)
	c := &command{t: t, edge: strconv.Itoa(edge), dir: dir, out: &output{}}
	c.env = append(os.Environ(), append(env, "MUSTER_EDGE_PORT="+c.edge, "MUSTER_CONTROL_PORT="+strconv.Itoa(freePort(t)), "MUSTER_BROKER_PORT=0", "MUSTER_BROKER_HTTP_PORT=0",
		"PATH="+filepath.Dir(path)+string(os.PathListSeparator)+os.Getenv("PATH"))...)
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, c.env, c.out, c.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("muster %v: %v\n%s", args, err, c.out)
		}
	})
	deadline := time.After(2 * time.Minute) // it may have to compile
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(c.out.String(), "all ready") {
		select {
		case err := <-ended:
			ended <- nil
			t.Fatalf("muster %v ended: %v\n%s", args, err, c.out)
		case <-deadline:
			t.Fatalf("muster %v is not ready:\n%s", args, c.out)
		case <-tick.C:
		}
	}
	return c
}

// sh runs a script as it stands, ports substituted.
func (c *command) sh(script string) string {
	c.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(script, "127.0.0.1:8080", "127.0.0.1:"+c.edge))
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// get asks the edge until the answer holds want.
func (c *command) get(path, want string) string {
	c.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last string
	for {
		res, err := http.Get("http://127.0.0.1:" + c.edge + path)
		if err == nil {
			body, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if last = string(body); res.StatusCode == http.StatusOK && strings.Contains(last, want) {
				return last
			}
		} else {
			last = err.Error()
		}
		select {
		case <-tick.C:
		case <-deadline:
			c.t.Fatalf("GET %s never held %q: %s\n%s", path, want, last, c.out)
		}
	}
}

func needs(t *testing.T, suite string, programs ...string) string {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			return p
		}
	}
	t.Skipf("suite %s: none of %v is installed: run scripts/install-test-deps.sh", suite, programs)
	return ""
}

func TestReadmeCommands(t *testing.T) {
	needs(t, "README", "curl")
	needs(t, "README", "bash")
	c := runMuster(t, t.TempDir(), nil, "demo")
	ran := false
	for _, b := range blocks(t, "../../../README.md") {
		if b.language != "sh" || !strings.Contains(b.text, "curl") {
			continue
		}
		ran = true
		for range 2 { // a newcomer tries everything twice
			out := c.sh(b.text)
			for _, want := range []string{`"category":"mugs"`, `"quantity":2`, `"state":"(confirmed|failed","reason":"the card was declined)"`} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("the README's commands did not print %s:\n%s", want, out)
				}
			}
			if strings.Contains(out, `"quantity":4`) || strings.Contains(out, `"status":`) {
				t.Errorf("the README's commands met a problem:\n%s", out)
			}
		}
	}
	if !ran {
		t.Error("the README has no curl commands")
	}
	out := c.sh(c.firstToTry())
	if !regexp.MustCompile(`"quantity":2[^\n]*\n(.*\n)*.*"state":"(confirmed|failed","reason":"the card was declined)"`).MatchString(out) {
		t.Errorf("the first thing that the demo says to try printed\n%s", out)
	}
}

// firstToTry waits until the demo has said what to try, and returns the first of it.
func (c *command) firstToTry() string {
	c.t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, after, _ := strings.Cut(c.out.String(), "\n  1. ")
		_, commands, _ := strings.Cut(after, "\n")
		if commands, _, said := strings.Cut(commands, "\n  2. "); said {
			return commands
		}
		select {
		case <-tick.C:
		case <-deadline:
			c.t.Fatalf("the demo never says what to try:\n%s", c.out)
		}
	}
}

// maxLines is how much Go, proto and YAML two services may need.
const maxLines = 50

func TestQuickstart(t *testing.T) {
	dir := t.TempDir()
	lines := 0
	for _, b := range blocks(t, "../../../docs/quickstart.md") {
		if !strings.Contains(b.name, ".") || strings.HasPrefix(b.name, "joke") {
			continue
		}
		for line := range strings.Lines(b.text) {
			if strings.TrimSpace(line) != "" {
				lines++
			}
		}
		writeFile(t, filepath.Join(dir, b.name), b.text)
	}
	t.Logf("%d lines", lines)
	if lines == 0 || lines > maxLines {
		t.Errorf("the quick start has %d lines that are not blank, want 1 to %d", lines, maxLines)
	}
	useThisTree(t, dir)
	backend := newBackend(t)
	c := runMuster(t, dir, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + backend.URL}, "up")
	c.get("/hello/you", "Hello, you")
	traced := backend.await(t, "hello", "web")
	if len(traced) == 0 {
		t.Error("no trace went through both services")
	}
	anyLanguage(t, c)
}

// anyLanguage adds the program without a library to the fleet that runs.
func anyLanguage(t *testing.T, c *command) {
	language := map[string]string{"node": "node", "python3": "python"}[needs(t, "any language", "node", "python3")]
	for _, b := range blocks(t, "../../../docs/quickstart.md") {
		switch {
		case strings.HasPrefix(b.name, "joke/"):
			if n := strings.Count(b.text, "\n"); n > 25 {
				t.Errorf("%s has %d lines, want at most 25", b.name, n)
			}
			writeFile(t, filepath.Join(c.dir, b.name), b.text)
		case b.name == "joke."+language:
			file := filepath.Join(c.dir, "muster.yaml")
			old, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, file, string(old)+b.text)
		}
	}
	c.get("/joke", "Hello, "+language)
}

// useThisTree does what the page says, with Muster from this tree.
func useThisTree(t *testing.T, dir string) {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"go", "mod", "init", "example.com/hello"},
		{
			"go", "mod", "edit", "-replace=github.com/musterdev/muster=" + root,
			"-replace=github.com/musterdev/muster/drivers/otlp=" + filepath.Join(root, "drivers/otlp"),
		},
		{path, "gen", "proto"},
		{"go", "mod", "tidy"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// backend is an OTLP backend that remembers which services a trace went through.
type backend struct {
	*httptest.Server
	mu     sync.Mutex
	traces map[string]map[string]bool
}

func newBackend(t *testing.T) *backend {
	b := &backend{traces: map[string]map[string]bool{}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		var req collecttrace.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(raw, &req) != nil {
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, rs := range req.ResourceSpans {
			service := ""
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					id := string(s.TraceId)
					if b.traces[id] == nil {
						b.traces[id] = map[string]bool{}
					}
					b.traces[id][service] = true
				}
			}
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// await waits for a trace through all of these services; exporters send in batches.
func (b *backend) await(t *testing.T, services ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		b.mu.Lock()
		for id, through := range b.traces {
			all := true
			for _, s := range services {
				all = all && through[s]
			}
			if all {
				b.mu.Unlock()
				return id
			}
		}
		b.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ""
		}
	}
}
