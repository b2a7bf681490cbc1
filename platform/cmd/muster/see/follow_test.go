package see_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/see"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// records is a store of log records that keeps those of an earlier life.
type records struct {
	signal.Store

	mu   sync.Mutex
	list []signal.Log
	live *query.Live
	ask  func() // before it answers
}

// add adds a record of a text, so many ms after the first.
func (r *records) add(ms int, text string) {
	l := signal.Log{Time: time.Now().Add(-time.Minute).Truncate(time.Minute).UnixNano() + int64(ms)*1e6, Service: "x", Severity: signal.SeverityInfo, Body: text}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, l)
	r.live.Add(signal.Batch{Logs: []signal.Log{l}})
}

func (r *records) Logs(_ context.Context, q signal.LogQuery) iter.Seq2[*signal.Log, error] {
	if r.ask != nil {
		r.ask()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.Clone(r.list)
	return func(yield func(*signal.Log, error) bool) {
		for _, l := range slices.Backward(list) {
			if q.Contains(l.Time) && strings.Contains(l.Body, q.Text) && !yield(&l, nil) {
				return
			}
		}
	}
}

// control is a server that can go away and come back at its address.
type control struct {
	*records

	address string
	server  *http.Server
}

func serve(t *testing.T, r *records) *control {
	c := &control{records: r, address: "127.0.0.1:0"}
	c.up(t)
	t.Cleanup(func() { _ = c.server.Close() })
	return c
}

func (c *control) up(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	live := query.NewLive(nil)
	c.mu.Lock()
	c.live = live
	c.mu.Unlock()
	if c.server == nil { // later it is the same, and being read
		c.address = l.Addr().String()
	}
	c.server = &http.Server{Handler: query.New(query.Config{Store: c.records, Live: live}).Handler(), ReadHeaderTimeout: time.Minute}
	go func() { _ = c.server.Serve(l) }()
}

func (c *control) find(context.Context) (*see.Client, error) {
	return see.NewClient("http://" + c.address)
}

// following follows until the test ends and tells what is shown and noted.
func following(t *testing.T, f see.Following) (said <-chan string, ended <-chan error) {
	t.Helper()
	out, end := make(chan string, 100), make(chan error, 1)
	f.Show = func(l query.Log) error { out <- l.Body; return nil }
	f.Note = func(text string) { out <- "(" + text + ")" }
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() {
		cancel()
		if err := <-end; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
	go func() { end <- see.Follow(ctx, f) }()
	return out, end
}

func expect(t *testing.T, said <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-said:
			if got != w {
				t.Errorf("it said %q, want %q", got, w)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("it never said %q", w)
		}
	}
}

func TestFollow(t *testing.T) {
	r := &records{live: query.NewLive(nil)}
	r.add(1, "one")
	r.add(2, "two")
	c := serve(t, r)
	var once sync.Once
	r.ask = func() { once.Do(func() { c.add(3, "while it begins") }) } // is in the past and in the stream
	said, _ := following(t, see.Following{Find: c.find, Wanted: see.Records{Most: 2, Text: "w"}})
	expect(t, said, "two", "while it begins")
	c.add(4, "not")
	c.add(5, "new")
	expect(t, said, "new")

	_ = c.server.Close()
	expect(t, said, "(control went away: trying again)")
	c.add(6, "where it was")
	c.up(t)
	expect(t, said, "where it was")
	c.add(7, "now")
	expect(t, said, "now")
}

func TestFollowWithoutAPast(t *testing.T) {
	c := serve(t, &records{live: query.NewLive(nil)})
	c.add(1, "one")
	said, _ := following(t, see.Following{Find: c.find})
	for n := range 1000 { // until it watches
		c.add(2+n, "two")
		select {
		case got := <-said:
			if got != "two" {
				t.Errorf("it said %q", got)
			}
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("it never said anything")
}

func TestFollowCannotBegin(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	nobody := "http://" + l.Addr().String()
	answers := func(status int, kind, body string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	for name, c := range map[string]struct {
		url, want string
		code      problem.Code
	}{
		"nobody":     {nobody, "control does not answer at " + nobody + ": connect: connection refused: see muster ps and muster logs control", problem.Internal},
		"not there":  {answers(404, "text/html", "<p>"), "", problem.NotFound},
		"no JSON":    {answers(200, "text/html", "<p>"), "what http://", problem.Internal},
		"bad record": {answers(200, "text/event-stream", "event: log\ndata: {\n\n"), "what http://", problem.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			wanted := see.Records{Most: 1}
			if name == "bad record" {
				wanted.Most = 0
			}
			err := see.Follow(t.Context(), see.Following{
				Find: func(context.Context) (*see.Client, error) { return see.NewClient(c.url) }, Wanted: wanted,
				Show: func(query.Log) error { return nil }, Note: func(string) {},
			})
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || problem.CodeOf(err) != c.code {
				t.Errorf("%v (%s)", err, problem.CodeOf(err))
			}
		})
	}
}

// Records that were left out are told of, and an error of the reader ends all.
func TestFollowLost(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, ": hello\nevent: ping\ndata: {}\n\nevent: lost\ndata: 12\n\nevent: log\ndata: {\"body\":\ndata: \"a\",\"attributes\":{\"n\":1}}\n\n")
	}))
	t.Cleanup(s.Close)
	var notes []string
	enough := errors.New("enough")
	err := see.Follow(t.Context(), see.Following{
		Find: func(context.Context) (*see.Client, error) { return see.NewClient(s.URL) },
		Show: func(l query.Log) error {
			if l.Body != "a" || l.Attributes.Text("n") != "1" {
				t.Errorf("%+v", l)
			}
			return enough
		},
		Note: func(text string) { notes = append(notes, text) },
	})
	if !errors.Is(err, enough) || len(notes) != 1 || !strings.HasPrefix(notes[0], "12 were left out") {
		t.Errorf("%v, %q", err, notes)
	}
}

func TestFollowEndsWithFind(t *testing.T) {
	over := errors.New("the fleet has ended")
	c := serve(t, &records{live: query.NewLive(nil)})
	c.add(1, "one")
	began, ended, asked := make(chan struct{}), make(chan error, 1), 0
	go func() {
		ended <- see.Follow(t.Context(), see.Following{
			Find: func(ctx context.Context) (*see.Client, error) {
				if asked++; asked > 1 {
					return nil, over
				}
				return c.find(ctx)
			},
			Wanted: see.Records{Most: 1}, Show: func(query.Log) error { close(began); return nil }, Note: func(string) {},
		})
	}()
	<-began
	_ = c.server.Close()
	if err := <-ended; !errors.Is(err, over) {
		t.Error(err)
	}
}

func TestAddress(t *testing.T) {
	for _, bad := range []string{"", "localhost:8081", "ftp://x", "http://", "http://a b", ":"} {
		if _, err := see.NewClient(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, good := range []string{"http://127.0.0.1:8081", "https://x/muster/"} {
		if _, err := see.NewClient(good); err != nil {
			t.Error(err)
		}
	}
}
