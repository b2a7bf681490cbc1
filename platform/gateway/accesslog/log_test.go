package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// sink is a writer that can be watched, blocked and made to fail.
type sink struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	err   error
	block chan struct{} // nil: does not block
}

func (s *sink) Write(p []byte) (int, error) {
	if s.block != nil {
		<-s.block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.buf.Write(p)
}

func (s *sink) lines() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Count(s.buf.Bytes(), []byte("\n"))
}

func entry() *Entry {
	return &Entry{
		Time: time.Date(2026, 11, 23, 10, 0, 0, 5e6, time.UTC), RequestID: "r-1", TraceID: "0af7651916cd43dd8448eb211c80319c",
		Method: "GET", Host: "shop.example", Path: "/v1/products", Status: 200, Bytes: 1234, Duration: 1500 * time.Microsecond,
		Instance: "catalog-1", Route: "/v1/products", Retries: 1, GRPC: -1,
	}
}

// A line leaves within a second, at the end at once.
func TestFlushedEachSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		l := New(&out)
		l.Add(entry())
		synctest.Wait()
		if out.lines() != 0 {
			t.Error("one line was worth a write of its own")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := out.lines(); n != 1 {
			t.Errorf("%d lines after a second, want 1", n)
		}
		l.Add(entry())
		if err := l.Close(t.Context()); err != nil || out.lines() != 2 {
			t.Errorf("%d lines at the end, %v; want 2", out.lines(), err)
		}
		l.Add(entry())
		if l.Dropped() != 1 {
			t.Error("a line after the end was not counted as dropped")
		}
	})
}

// Many lines do not wait for the second.
func TestFlushedWhenMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out sink
		l := New(&out)
		for range 1000 {
			l.Add(entry())
		}
		synctest.Wait()
		if n := out.lines(); n == 0 {
			t.Error("a thousand lines waited")
		}
		if err := l.Close(t.Context()); err != nil || out.lines() != 1000 || l.Dropped() != 0 {
			t.Errorf("%d lines, %d dropped, %v", out.lines(), l.Dropped(), err)
		}
	})
}

// A writer that hangs costs lines, which are counted, and bounded memory; it costs no
// request any time, and the end only its bound.
func TestHangingWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{block: make(chan struct{})}
		l := New(out)
		const many = 40_000
		start := time.Now()
		for range many {
			l.Add(entry())
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("requests waited %s", took)
		}
		if l.Dropped() == 0 || len(l.lines) > maxBuffer+4096 {
			t.Errorf("%d dropped, %d bytes wait", l.Dropped(), len(l.lines))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		close(out.block)
		synctest.Wait()
		if got := uint64(out.lines()) + l.Dropped(); got != many {
			t.Errorf("%d lines and %d dropped are not %d", out.lines(), l.Dropped(), many)
		}
	})
}

func TestFailingWriter(t *testing.T) {
	out := &sink{err: errors.New("no space left")}
	l := New(out)
	l.Add(entry())
	if err := l.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "no space left") || l.Dropped() != 1 {
		t.Errorf("Close: %v, %d dropped", err, l.Dropped())
	}
}

func TestLine(t *testing.T) {
	const want = `{"time":"2026-11-23T10:00:00.005Z","request_id":"r-1","trace_id":"0af7651916cd43dd8448eb211c80319c",` +
		`"method":"GET","host":"shop.example","path":"/v1/products","status":200,"bytes":1234,"duration_ms":1.500,` +
		`"instance":"catalog-1","route":"/v1/products","retries":1}` + "\n"
	if got := string(entry().append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e := entry()
	e.GRPC, e.Error, e.TraceID = 14, `it "broke"`+"\n", ""
	for _, want := range []string{`"status":200,"grpc_status":14,`, `,"error":"it \"broke\"\u000a"}`} {
		if got := string(e.append(nil)); !strings.Contains(got, want) || strings.Contains(got, "trace_id") {
			t.Errorf("%s has no %s", got, want)
		}
	}
}

// Whatever a client sends, a line is one line of JSON with that text in it, bounded.
func FuzzLine(f *testing.F) {
	f.Add("/v1/products", "shop.example")
	f.Add("/\"\\\n\r\t\x00\x7f", "\xff\xfe")
	f.Add(strings.Repeat("ü", 5000), "\u2028")
	f.Fuzz(func(t *testing.T, path, host string) {
		e := entry()
		e.Path, e.Host = path, host
		line := e.append(nil)
		if n := bytes.Count(line, []byte("\n")); n != 1 || len(line) > 20_000 {
			t.Fatalf("%d lines of %d bytes", n, len(line))
		}
		var got struct{ Path, Host string }
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if want := strings.ToValidUTF8(path, "\uFFFD"); len(path) <= maxText && utf8.ValidString(path) && got.Path != want {
			t.Fatalf("%q was logged as %q", path, got.Path)
		}
	})
}

func TestFileIsPutAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	if err := os.WriteFile(path, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f.max = 20
	for _, line := range []string{"first line\n", "second line\n", "third\n", "a line longer than the whole file may be\n", "last\n"} {
		if _, err := f.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	now, _ := os.ReadFile(path)
	before, _ := os.ReadFile(path + ".1")
	if string(now) != "last\n" || !strings.HasPrefix(string(before), "a line longer") {
		t.Errorf("now %q, before %q", now, before)
	}
	if _, err := OpenFile(t.TempDir()); err == nil {
		t.Error("a folder was opened as a log")
	}
}

func ExampleLog() {
	l := New(os.Stdout)
	l.Add(&Entry{
		Time: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), RequestID: "r-1", Method: "GET", Path: "/v1/products",
		Status: 200, Bytes: 12, Duration: time.Millisecond, Instance: "catalog-1", Route: "/v1/products", GRPC: -1,
	})
	if err := l.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"time":"2026-11-23T10:00:00.000Z","request_id":"r-1","method":"GET","host":"","path":"/v1/products","status":200,"bytes":12,"duration_ms":1.000,"instance":"catalog-1","route":"/v1/products","retries":0}
}
