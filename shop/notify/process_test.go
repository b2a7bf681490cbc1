package notify_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/notify"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// process is server.js run by node, its log, and where it listens.
type process struct {
	cmd  *exec.Cmd
	url  string
	done chan struct{} // closed when it has ended

	mu  sync.Mutex
	log []entry
	new chan struct{} // closed, and replaced, at every line of the log
}

// entry is a line of its log.
type entry struct {
	Msg   string `json:"msg"`
	HTTP  string `json:"http"`
	Trace string `json:"trace_id"`
	Span  string `json:"span_id"`
}

func node(t *testing.T) string {
	t.Helper()
	file, err := exec.LookPath("node")
	if err != nil {
		t.Skip("suite Node: node is not installed: run scripts/install-test-deps.sh")
	}
	return file
}

// program is server.js as it is embedded, in a folder of its own.
func program(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "server.js")
	if err := os.WriteFile(file, notify.Program, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// start runs node with options before the program, and waits until it listens.
func start(t *testing.T, mails string, options ...string) *process {
	t.Helper()
	return startWith(t, mails, nil, options...)
}

// startWith is start with more variables.
func startWith(t *testing.T, mails string, env []string, options ...string) *process {
	t.Helper()
	p := &process{done: make(chan struct{}), new: make(chan struct{})}
	p.cmd = exec.CommandContext(t.Context(), node(t), append(options, program(t))...)
	p.cmd.Env = append(append(os.Environ(), "PORT=0", "MAIL_DIR="+mails), env...)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e entry
			_ = json.Unmarshal(lines.Bytes(), &e) // what is no log line is an empty entry
			p.mu.Lock()
			p.log = append(p.log, e)
			close(p.new)
			p.new = make(chan struct{})
			p.mu.Unlock()
		}
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.done
	})
	p.url = p.logged(t, "listening").HTTP
	return p
}

// logged waits for a line of the log.
func (p *process) logged(t *testing.T, msg string) entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		p.mu.Lock()
		at := slices.IndexFunc(p.log, func(e entry) bool { return e.Msg == msg })
		log, more := p.log, p.new
		p.mu.Unlock()
		if at >= 0 {
			return log[at]
		}
		select {
		case <-more:
		case <-p.done:
			t.Fatalf("it ended (%s) and never logged %q", p.cmd.ProcessState, msg)
		case <-ctx.Done():
			t.Fatalf("it did not log %q in %s", msg, patience)
		}
	}
}

// ended waits until it has ended by itself.
func (p *process) ended(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-p.done:
	case <-ctx.Done():
		t.Fatalf("it did not end in %s", patience)
	}
}

// kill ends it as kill -9 does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// event is a CloudEvent in binary mode, as the platform posts it.
type event struct {
	method, path string // default POST /events
	id, topic    string
	data         string
	header       map[string]string // more, or others; "" takes one away
}

func confirmed(order, id string) event {
	return event{id: id, topic: "orders.confirmed", data: `{"order":"` + order + `","cart":"c-1","cents":1250}`}
}

func failed(order, id string) event {
	return event{id: id, topic: "orders.failed", data: `{"order":"` + order + `","cart":"c-1","reason":"card declined"}`}
}

// answer is what it said.
type answer struct {
	status  int
	header  http.Header
	sent    bool
	problem *problem.Error
}

// post returns an error when there was no answer.
func (p *process) post(ctx context.Context, e event) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	method, path := e.method, e.path
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/events"
	}
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(e.data))
	if err != nil {
		return answer{}, err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Ce-Specversion": "1.0", "Ce-Id": e.id, "Ce-Source": "/orders", "Ce-Type": e.topic,
		"Ce-Time": "2026-01-02T03:04:05Z", "Ce-Partitionkey": "o-1", "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		req.Header.Set(name, value)
	}
	for name, value := range e.header {
		if req.Header.Del(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	return do(req)
}

func do(req *http.Request) (answer, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: res.StatusCode, header: res.Header}
	if res.StatusCode >= 300 {
		res.Body = io.NopCloser(bytes.NewReader(body))
		if !errors.As(problem.FromResponse(res), &a.problem) {
			return a, errors.New("no problem: " + string(body))
		}
		return a, nil
	}
	var said struct {
		Sent bool `json:"sent"`
	}
	err = json.Unmarshal(body, &said)
	a.sent = said.Sent
	return a, err
}

// mail is what a test reads of a mail.
type mail struct {
	Order, State, Subject, Text, Event string
}

// mails reads all mails by their files' names. Every one must be whole, and named for
// what it says; unfinished are the other files.
func mails(t *testing.T, dir string) (all map[string]mail, unfinished []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all = map[string]mail{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			unfinished = append(unfinished, filepath.Join(dir, e.Name()))
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var m mail
		if err := json.Unmarshal(text, &m); err != nil || m.Order+"."+m.State+".json" != e.Name() || m.Event == "" || m.Text == "" {
			t.Errorf("%s is not a whole mail: %v\n%s", e.Name(), err, text)
		}
		all[e.Name()] = m
	}
	return all, unfinished
}
