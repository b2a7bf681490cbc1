//go:build linux

package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/query"
)

// aSink is `muster dashboard` as a process.
type aSink struct {
	t    *testing.T
	url  string
	cmd  *exec.Cmd
	sent int
}

func startSink(t *testing.T, dir string) *aSink {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out := &output{}
	s := &aSink{t: t, cmd: exec.Command(path, "dashboard", "--port", "0", "--otlp-grpc", "0", "--otlp-http", "0", "--dir", dir)}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGINT)
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("the dashboard ended with %v:\n%s", err, out)
		}
	})
	address := regexp.MustCompile(`dashboard +(http://\S+)/`)
	within(t, 20*time.Second, "the dashboard", func() error {
		m := address.FindStringSubmatch(out.String())
		if m == nil {
			return fmt.Errorf("it has printed:\n%s", out)
		}
		s.url = m[1]
		return nil
	})
	return s
}

// post sends a body and returns the status.
func (s *aSink) post(path, kind string, body []byte) (status int, answer string) {
	s.t.Helper()
	res, err := http.Post(s.url+path, kind, bytes.NewReader(body))
	if err != nil {
		s.t.Fatalf("the dashboard is gone: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// span is one span in OTLP's JSON, of a service that is called "bad".
func (s *aSink) span(start, end time.Time, more string) []byte {
	s.sent++
	id := make([]byte, 16)
	copy(id, fmt.Sprintf("span %011d", s.sent))
	return fmt.Appendf(nil, `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"bad"}}]},"scopeSpans":[{"spans":[`+
		`{"traceId":%q,"spanId":%q,"name":"x","startTimeUnixNano":"%d","endTimeUnixNano":"%d"%s}]}]}]}`,
		hex.EncodeToString(id), hex.EncodeToString(id[8:]), start.UnixNano(), end.UnixNano(), more)
}

func (s *aSink) health() (h query.Health) {
	s.t.Helper()
	res, err := http.Get(s.url + "/v1/telemetry/health")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&h); err != nil {
		s.t.Fatal(err)
	}
	for name, c := range h.Signals {
		sum := c.Stored
		for _, n := range c.Dropped {
			sum += n
		}
		if sum != c.Received {
			s.t.Errorf("%s: %d received, and %d stored or dropped", name, c.Received, sum)
		}
	}
	return h
}

// Whatever is sent is counted, said in words for the dashboard, and ends nothing.
func TestBadTelemetry(t *testing.T) {
	s := startSink(t, t.TempDir())
	now := time.Now()
	const jsonKind, protobuf = "application/json", "application/x-protobuf"
	for name, c := range map[string]struct {
		kind   string
		body   []byte
		status int
	}{
		"no protobuf":            {protobuf, []byte("\xff\xff\xff nothing"), 400},
		"half a protobuf":        {protobuf, []byte{0x0a, 0x7f, 0x01}, 400},
		"no JSON":                {jsonKind, []byte(`{"resourceSpans":[`), 400},
		"another JSON":           {jsonKind, []byte(`[1,2]`), 400},
		"another type":           {"text/plain", []byte("x"), 415},
		"too large":              {protobuf, bytes.Repeat([]byte("x"), 17<<20), 413},
		"a zip bomb's name only": {jsonKind, s.span(now, now, `,"attributes":[{"key":"a","value":{"stringValue":"`+strings.Repeat("x", 1<<20)+`"}}]`), 200},
		"far future":             {jsonKind, s.span(now.AddDate(5, 0, 0), now.AddDate(5, 0, 0), ""), 200},
		"long ago":               {jsonKind, s.span(now.AddDate(-5, 0, 0), now, ""), 200},
		"ends before it began":   {jsonKind, s.span(now, now.Add(-time.Minute), ""), 200},
		"bad id":                 {jsonKind, bytes.Replace(s.span(now, now, ""), []byte(`"spanId":"`), []byte(`"spanId":"00`), 1), 200},
	} {
		if status, answer := s.post("/v1/traces", c.kind, c.body); status != c.status {
			t.Errorf("%s: %d, want %d: %.200s", name, status, c.status, answer)
		}
	}
	twice := s.span(now, now.Add(time.Second), "")
	for range 3 {
		s.post("/v1/traces", jsonKind, twice)
	}
	h := s.health()
	if h.Signals["spans"].Dropped["clock"] != 2 || h.Signals["spans"].Dropped["invalid id"] == 0 {
		t.Errorf("dropped: %v", h.Signals["spans"].Dropped)
	}
	if notes := strings.Join(h.Notes, "\n"); !strings.Contains(notes, "clock") || !strings.Contains(notes, "made right") {
		t.Errorf("notes: %s", notes)
	}
}

// A label that never repeats costs its service its own metrics, and nobody else theirs.
func TestLabelExplosion(t *testing.T) {
	s := startSink(t, t.TempDir())
	points := func(service string, from, n int) []byte {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"timeUnixNano":"%d","asInt":"1","attributes":[{"key":"id","value":{"intValue":"%d"}}]}`, time.Now().UnixNano(), from+i))
		}
		return fmt.Appendf(nil, `{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":%q}}]},"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[%s]}}]}]}]}`,
			service, strings.Join(list, ","))
	}
	for i := range 4 {
		s.post("/v1/metrics", "application/json", points("bad", i*4000, 4000))
	}
	s.post("/v1/metrics", "application/json", points("good", 0, 10))
	h := s.health()
	if n := h.Services["bad"].Dropped["points: rejected"]; n < 5000 {
		t.Errorf("%d points of bad were dropped: %+v", n, h.Services["bad"])
	}
	if h.Services["good"].Received["points"] != 10 || len(h.Services["good"].Dropped) != 0 {
		t.Errorf("good: %+v", h.Services["good"])
	}
	if notes := strings.Join(h.Notes, "\n"); !strings.Contains(notes, "bad") || !strings.Contains(notes, "series") {
		t.Errorf("notes: %s", notes)
	}
}

// A disk that is full has senders wait and try again; with room it goes on, and what was
// there before is there.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("suite tmpfs: only root can mount a small disk")
	}
	dir := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("suite tmpfs: it cannot be mounted here: %s", text)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	s := startSink(t, dir)
	now := time.Now()
	first := s.span(now, now.Add(time.Second), "")
	if status, answer := s.post("/v1/traces", "application/json", first); status != 200 {
		t.Fatalf("%d: %s", status, answer)
	}
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<16); ; {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	_ = f.Close()
	within(t, 30*time.Second, "the disk to be full for it", func() error {
		status, answer := s.post("/v1/traces", "application/json", s.span(now, now.Add(time.Second), `,"attributes":[{"key":"a","value":{"stringValue":"`+strings.Repeat("y", 60<<10)+`"}}]`))
		if status != http.StatusServiceUnavailable {
			return fmt.Errorf("%d %.200s", status, answer)
		}
		return nil
	})
	if notes := strings.Join(s.health().Notes, "\n"); !strings.Contains(notes, "not taken") || !strings.Contains(notes, "the disk was full, last at ") {
		t.Errorf("notes: %q", notes)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	within(t, 30*time.Second, "room to be used", func() error {
		if status, answer := s.post("/v1/traces", "application/json", s.span(now, now.Add(time.Second), "")); status != 200 {
			return fmt.Errorf("%d: %s", status, answer)
		}
		return nil
	})
	res, err := http.Get(s.url + "/v1/telemetry/traces/" + hex.EncodeToString([]byte(fmt.Sprintf("span %011d", 1))))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("what was there before: %s", res.Status)
	}
}
