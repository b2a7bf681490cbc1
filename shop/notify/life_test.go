package notify_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process that dies when a mail is finished and not yet sent leaves none, and what
// it leaves is swept when nobody can be at it any more.
func TestADeathBeforeTheMailIsSentLeavesNone(t *testing.T) {
	dir := t.TempDir()
	hook, err := filepath.Abs("testdata/kill-before-link.js")
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, dir, "--require", hook)
	if a, err := p.post(t.Context(), confirmed("o-1", "e1")); err == nil {
		t.Fatalf("%+v from a process that is to die", a)
	}
	p.ended(t)
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("it ended: %s", p.cmd.ProcessState)
	}
	all, unfinished := mails(t, dir)
	if len(all) != 0 || len(unfinished) != 1 {
		t.Fatalf("mails %v, unfinished %v; want none and one", all, unfinished)
	}
	next := start(t, dir)
	must(t, next, confirmed("o-1", "e1"), http.StatusCreated, true)
	if _, young := mails(t, dir); !slices.Equal(young, unfinished) {
		t.Errorf("there are %v: another process may still be at what is young", young)
	}
	next.kill()
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(unfinished[0], past, past); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
	if all, unfinished := mails(t, dir); len(all) != 1 || len(unfinished) != 0 {
		t.Errorf("mails %v, unfinished %v", all, unfinished)
	}
}

// Killed at any moment of the work: what was answered is there and whole, and so is
// all that is there.
func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	promised := map[string]bool{}
	for round := range 6 {
		p := start(t, dir)
		var posting sync.WaitGroup
		var mu sync.Mutex
		enough := rand.IntN(20)
		for worker := range 4 {
			posting.Go(func() {
				for i := 0; ; i++ {
					order := fmt.Sprintf("o-%d-%d-%d", round, worker, i)
					a, err := p.post(t.Context(), failed(order, order))
					if err != nil {
						return
					}
					mu.Lock()
					promised[order] = a.status == http.StatusCreated
					if len(promised) >= enough {
						_ = p.cmd.Process.Kill() // it may be dead
					}
					mu.Unlock()
				}
			})
		}
		posting.Wait()
		p.kill()
	}
	all, _ := mails(t, dir)
	for order, sent := range promised {
		if _, there := all[order+".failed.json"]; !sent || !there {
			t.Errorf("%s: said to be sent %t, there %t", order, sent, there)
		}
	}
	if len(promised) < 6 {
		t.Errorf("only %d were sent: the test did nothing", len(promised))
	}
}

func TestADiskThatFailsIsWaitedFor(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mails")
	p := start(t, dir)
	ready := func() int {
		res, err := http.Get(p.url + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}
	if got := ready(); got != http.StatusOK {
		t.Errorf("/readyz: %d", got)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	a, err := p.post(t.Context(), confirmed("o-1", "e1"))
	if err != nil || a.status != http.StatusServiceUnavailable || a.problem.RetryAfter <= 0 || !strings.Contains(a.problem.Message, "ENOENT") {
		t.Errorf("%+v, %v; want 503 with Retry-After and the reason", a, err)
	}
	if got := ready(); got != http.StatusServiceUnavailable {
		t.Errorf("/readyz: %d", got)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	must(t, p, confirmed("o-1", "e1"), http.StatusCreated, true)
}

// SIGTERM ends it when what is under way is answered, and takes nothing new.
func TestSIGTERMDrains(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	must(t, p, confirmed("o-1", "e1"), http.StatusCreated, true) // leaves an idle connection
	addr := strings.TrimPrefix(p.url, "http://")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e := confirmed("o-2", "e2")
	fmt.Fprintf(conn, "POST /events HTTP/1.1\r\nHost: notify\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Expect: 100-continue\r\nce-specversion: 1.0\r\nce-id: e2\r\nce-source: /orders\r\nce-type: %s\r\n\r\n", len(e.data), e.topic)
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v: the request did not arrive", line, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.logged(t, "draining")
	if another, err := net.Dial("tcp", addr); err == nil {
		another.Close()
		t.Error("it takes a new connection while it drains")
	}
	if _, err := io.WriteString(conn, e.data); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusCreated || !res.Close {
		t.Fatalf("%v, %v; want 201 and Connection: close", res, err)
	}
	res.Body.Close()
	p.ended(t)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	if all, unfinished := mails(t, dir); len(all) != 2 || len(unfinished) != 0 {
		t.Errorf("mails %v, unfinished %v", all, unfinished)
	}
}

func TestWrongSettingsEndItWithOneLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(taken.Addr().String(), ":")
	for setting, want := range map[string]string{
		"PORT=http":        `PORT is "http"`,
		"PORT=70000":       `PORT is "70000"`,
		"PORT=" + port:     "EADDRINUSE",
		"MAIL_DIR=" + file: "EEXIST",
	} {
		cmd := exec.CommandContext(t.Context(), node(t), program(t))
		cmd.Env = append(os.Environ(), "MAIL_DIR="+t.TempDir(), setting)
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "error: ") || !strings.Contains(string(out), want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("%s: %v\n%s", setting, err, out)
		}
	}
}
