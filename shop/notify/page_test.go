package notify_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// page returns the files that the playbook's page shows, by name.
func page(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/playbook/any-language.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^```\\w+ (\\S+)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		files[m[1]] = m[2]
	}
	return files
}

// The programs of the playbook's page do what it says of them.
func TestThePlaybooksPrograms(t *testing.T) {
	for program, file := range map[string]string{"node": "server.js", "python3": "server.py"} {
		t.Run(program, func(t *testing.T) {
			interpreter, err := exec.LookPath(program)
			if err != nil {
				t.Skipf("suite %s: %s is not installed: run scripts/install-test-deps.sh", program, program)
			}
			p, said := try(t, interpreter, file)
			till := func(id, data string) event { return event{id: id, topic: "till.opened", data: data} }
			for _, step := range []struct {
				event  event
				status int
			}{
				{till("1", `{"till":7}`), http.StatusNoContent},
				{till("1", `{"till":7}`), http.StatusNoContent},
				{till("2", `{"till":`), http.StatusBadRequest},
				{till("3", `{"till":8}`), http.StatusNoContent},
			} {
				if status := p.settle(t, step.event); status != step.status {
					t.Errorf("event %s: %d, want %d", step.event.id, status, step.status)
				}
			}
			for _, want := range []string{"till.opened 7", "till.opened 8"} {
				if got := <-said; got != want {
					t.Errorf("it said %q, want %q", got, want)
				}
			}
		})
	}
}

// try runs a program of the page until the test ends, and returns what it prints.
func try(t *testing.T, interpreter, name string) (p *process, said <-chan string) {
	t.Helper()
	text, ok := page(t)[name]
	if !ok {
		t.Fatalf("the page does not show %s", name)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, interpreter, file)
	cmd.Env = append(os.Environ(), "PORT="+addr[strings.LastIndex(addr, ":")+1:])
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			lines <- in.Text()
		}
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	p = &process{url: "http://" + addr}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; {
		res, err := http.Get(p.url + "/readyz")
		if err == nil {
			res.Body.Close()
			return p, lines
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not ready in %s: %v", name, patience, err)
		}
		<-tick.C
	}
}

// settle posts an event and returns only the status of the answer.
func (p *process) settle(t *testing.T, e event) int {
	t.Helper()
	a, err := p.post(t.Context(), e)
	if err != nil && a.status == 0 {
		t.Fatal(err)
	}
	return a.status
}
