package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/problem"
)

// A drain returns when the instance has nothing more of the edge, and from its start
// on nothing goes there; whatever the registry says, or does not.
func TestDrainWaits(t *testing.T) {
	begun, release := make(chan string, 1), make(chan struct{})
	handler := func(id string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				begun <- id
				<-release
			}
			_, _ = io.WriteString(w, id)
		}
	}
	one, _ := instance(t, "a-1", handler("a-1"))
	two, _ := instance(t, "a-2", handler("a-2"))
	reg := &registry{}
	reg.View("a").Set([]discovery.Instance{one, two})
	e := run(t, gateway.Config{Resolver: reg})
	if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	slow := make(chan string, 1)
	go func() {
		_, text := get(t, e.url+"/slow")
		slow <- text
	}()
	busy := <-begun
	other := map[string]string{"a-1": "a-2", "a-2": "a-1"}[busy]

	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := e.admin.Drain(short, busy); problem.CodeOf(err) != problem.DeadlineExceeded || !strings.Contains(err.Error(), "1 requests") {
		t.Errorf("a drain that could not end: %v", err)
	}
	drained := make(chan error, 1)
	go func() { drained <- e.admin.Drain(t.Context(), busy) }()
	for range 20 {
		if _, text := get(t, e.url); text != other {
			t.Fatalf("a draining instance was chosen: %s", text)
		}
	}
	select {
	case err := <-drained:
		t.Errorf("the drain returned with a request in flight: %v", err)
	default:
	}
	s, err := e.admin.Status(t.Context())
	if err != nil || fmt.Sprint(s.Draining) != "["+busy+"]" || len(s.Services["a"]) != 1 || s.InFlight != 1 {
		t.Errorf("status: %+v, %v", s, err)
	}
	close(release)
	if err := <-drained; err != nil {
		t.Errorf("the drain: %v", err)
	}
	if got := <-slow; got != busy {
		t.Errorf("the request in flight got %q", got)
	}
	if err := e.admin.Drain(t.Context(), "nobody"); err != nil {
		t.Errorf("an instance nobody knows: %v", err)
	}

	// The registry drops it: the mark goes too.
	reg.View("a").Set([]discovery.Instance{map[string]discovery.Instance{"a-1": one, "a-2": two}[other]})
	eventually(t, "the mark is gone", func() bool {
		s, err := e.admin.Status(t.Context())
		return err == nil && len(s.Draining) == 0
	})
}

// With all instances of a service drained a request waits for the next one.
func TestDrainTheLastOne(t *testing.T) {
	one, _ := instance(t, "a-1", says("a-1"))
	two, _ := instance(t, "a-2", says("a-2"))
	reg := &registry{}
	reg.View("a").Set([]discovery.Instance{one})
	e := run(t, gateway.Config{Resolver: reg})
	if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	if err := e.admin.Drain(t.Context(), "a-1"); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		_, text := get(t, e.url)
		got <- text
	}()
	eventually(t, "the request waits", func() bool {
		s, err := e.admin.Status(t.Context())
		return err == nil && s.InFlight == 1
	})
	reg.View("a").Set([]discovery.Instance{one, two})
	if text := <-got; text != "a-2" {
		t.Errorf("got %q", text)
	}
}

// Instance after instance is replaced under load, the way a supervisor does it: the new
// one first, then the drain, then the end of the process with all its connections.
// No request fails, not one that may not be repeated either.
func TestReplacementsUnderLoad(t *testing.T) {
	reg := &registry{}
	first, server := instance(t, "a-0", says("ok"))
	reg.View("a").Set([]discovery.Instance{first})
	e := run(t, gateway.Config{Resolver: reg})
	if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var made, failed atomic.Int64
	var load sync.WaitGroup
	for range 4 {
		c := &http.Client{Transport: &http.Transport{}}
		load.Go(func() {
			defer c.CloseIdleConnections()
			for !stop.Load() {
				made.Add(1)
				res, err := c.Post(e.url, "text/plain", strings.NewReader("body"))
				if err != nil {
					failed.Add(1)
					t.Error(err)
					continue
				}
				if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
					failed.Add(1)
					t.Errorf("%s %s %v", res.Status, b, err)
				}
				_ = res.Body.Close()
			}
		})
	}
	old, oldServer := first, server
	for i := range 30 {
		next, nextServer := instance(t, fmt.Sprint("a-", i+1), says("ok"))
		reg.View("a").Set([]discovery.Instance{old, next})
		if err := e.admin.Drain(t.Context(), old.ID); err != nil {
			t.Fatal(err)
		}
		oldServer.CloseClientConnections()
		oldServer.Close()
		reg.View("a").Set([]discovery.Instance{next})
		old, oldServer = next, nextServer
	}
	stop.Store(true)
	load.Wait()
	if failed.Load() > 0 || made.Load() < 100 {
		t.Errorf("%d of %d requests failed", failed.Load(), made.Load())
	}
}
