package registry

import (
	"bufio"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// block is a fenced block of the playbook's page and the one that follows it.
type block struct{ kind, text, answer string }

func playbook(t *testing.T) (blocks []block) {
	t.Helper()
	page, err := os.ReadFile("../../docs/playbook/registry.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if m[1] == "json" {
			blocks[len(blocks)-1].answer = strings.TrimSpace(m[2])
			continue
		}
		blocks = append(blocks, block{kind: m[1], text: m[2]})
	}
	if len(blocks) == 0 {
		t.Fatal("the page has no blocks")
	}
	return blocks
}

func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", program)
	}
	t.Skipf("the playbook's page is not tried: %s is missing", program)
}

// The page's commands, as they stand but for the port, give the answers it shows but
// for what differs from run to run.
func TestPlaybookCommands(t *testing.T) {
	need(t, "curl")
	r, _ := run(t, Config{})
	server := httptest.NewServer(r)
	defer server.Close()
	varies := regexp.MustCompile(`"(epoch|index)":("[^"]*"|\d+)`)
	for _, b := range playbook(t) {
		if b.kind != "sh" {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		script := strings.ReplaceAll(b.text, "http://127.0.0.1:8081", server.URL)
		out, err := exec.CommandContext(ctx, "sh", "-euc", script).CombinedOutput()
		cancel()
		got := strings.TrimSpace(string(out))
		if err != nil || varies.ReplaceAllString(got, "$1") != varies.ReplaceAllString(b.answer, "$1") {
			t.Errorf("%s\ngot %s %v\nwant %s", b.text, got, err, b.answer)
		}
	}
}

func TestPlaybookPython(t *testing.T) {
	need(t, "python3")
	r, _ := run(t, Config{})
	server := httptest.NewServer(r)
	defer server.Close()
	exchange(r, "PUT", "/v1/instances/hello-1", `{"service":"hello","endpoints":{"http":"127.0.0.1:9000"}}`)
	for _, b := range playbook(t) {
		if b.kind != "python" {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		python := exec.CommandContext(ctx, "python3", "-c", strings.ReplaceAll(b.text, "http://127.0.0.1:8081", server.URL))
		python.Stderr = os.Stderr
		out, err := python.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := python.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for _, want := range []string{"hello ['127.0.0.1:9000']", "hello []"} {
			if !lines.Scan() || lines.Text() != want {
				t.Fatalf("got %q, want %q", lines.Text(), want)
			}
			exchange(r, "DELETE", "/v1/instances/hello-1", "")
		}
		cancel()
		_ = python.Wait() // it was killed
	}
}
