package call_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// within is a timeout that lets an attempt be alone for half a second.
var within = resilience.Settings{Timeout: 2 * time.Second}

// stalled answers nothing until its caller leaves.
func stalled(t *testing.T) (in discovery.Instance, hits *atomic.Int64, left chan struct{}) {
	t.Helper()
	left = make(chan struct{}, 100) // nobody need read it
	in, hits = server(t, "stalled", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		left <- struct{}{}
	})
	return in, hits, left
}

func send(t *testing.T, rt http.RoundTripper, method, key string) (string, error) {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), method, "http://stock/", strings.NewReader("body"))
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	res, err := rt.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

// What may be repeated is made again beside an attempt at an instance that stalls; what
// may not, ends with its time.
func TestStalledInstance(t *testing.T) {
	for _, test := range []struct {
		method, key string
		settings    resilience.Settings
		ok          bool
	}{
		{"GET", "", within, true},
		{"PUT", "", within, true},
		{"POST", "k1", within, true},
		{"POST", "", within, false},
		{"GET", "", resilience.Settings{Timeout: time.Second, Retry: resilience.Retry{Attempts: 1}}, false},
		{"GET", "", resilience.Settings{Timeout: time.Second, Budget: resilience.BudgetSettings{Share: 0.01, Floor: -1}}, false},
	} {
		slow, slowHits, left := stalled(t)
		well, hits := server(t, "well", nil)
		c, view := newCaller(t, call.Config{Settings: test.settings}, slow)
		rt := call.AfterPick(c, "stock", func() { view.Set([]discovery.Instance{slow, well}) })
		began := time.Now()
		got, err := send(t, rt, test.method, test.key)
		took := time.Since(began)
		<-left // an attempt that is not waited for ends
		switch {
		case test.ok && (got != "well" || err != nil || took < 500*time.Millisecond || took > 1900*time.Millisecond):
			t.Errorf("%s %s: %q, %v after %s", test.method, test.key, got, err, took)
		case !test.ok && (problem.CodeOf(err) != problem.DeadlineExceeded || hits.Load() != 0):
			t.Errorf("%+v: %q, %v; %d hits", test, got, err, hits.Load())
		}
		if slowHits.Load() != 1 || settled(c, "stalled")+settled(c, "well") != 0 {
			t.Errorf("%s: %d hits, something is in flight", test.method, slowHits.Load())
		}
	}
}

// However many calls an instance has when it stalls, all are made elsewhere: that is not
// bounded by the budget, as it does nothing. New calls pass it over.
func TestManyCallsAtAStalledInstance(t *testing.T) {
	const n = 40
	slow, slowHits, _ := stalled(t)
	well, hits := server(t, "well", nil)
	settings := within
	settings.Budget = resilience.BudgetSettings{Share: 0.01, Floor: 1}
	c, view := newCaller(t, call.Config{Settings: settings}, slow)
	var calls sync.WaitGroup
	for range n {
		calls.Go(func() {
			if got, err := send(t, c.Transport("stock"), "GET", ""); got != "well" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	for c.InFlight("stalled") < n {
		runtime.Gosched()
	}
	view.Set([]discovery.Instance{slow, well})
	calls.Wait()
	if slowHits.Load() != n || hits.Load() != n {
		t.Errorf("%d and %d hits", slowHits.Load(), hits.Load())
	}
	for range 10 {
		if got, err := send(t, c.Transport("stock"), "GET", ""); got != "well" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
	if slowHits.Load() != n {
		t.Error("the stalled instance got more calls")
	}
}

// An answer that is only late counts, and the second attempt ends.
func TestLateAnswerCounts(t *testing.T) {
	second, ended := make(chan struct{}), make(chan struct{})
	late, _ := server(t, "late", func(w http.ResponseWriter, _ *http.Request) {
		<-second
		_, _ = io.WriteString(w, "late")
	})
	other, _ := server(t, "other", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(second)
		<-r.Context().Done()
		close(ended)
	})
	c, view := newCaller(t, call.Config{Settings: within}, late)
	rt := call.AfterPick(c, "stock", func() { view.Set([]discovery.Instance{late, other}) })
	if got, err := send(t, rt, "GET", ""); got != "late" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	<-ended
	if settled(c, "late")+settled(c, "other") != 0 {
		t.Error("something is in flight")
	}
}

// A service all of whose instances are slow gets no second calls on top.
func TestSlowServiceGetsNoMore(t *testing.T) {
	var all atomic.Int64
	slow := func(w http.ResponseWriter, _ *http.Request) {
		all.Add(1)
		time.Sleep(150 * time.Millisecond) // the service's work
		_, _ = io.WriteString(w, "done")
	}
	a, _ := server(t, "a", slow)
	b, _ := server(t, "b", slow)
	c, _ := newCaller(t, call.Config{Settings: resilience.Settings{Timeout: 400 * time.Millisecond}}, a, b)
	for range 6 {
		if got, err := send(t, c.Transport("stock"), "GET", ""); got != "done" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n := all.Load(); n > 8 { // the first calls know nothing of the other instance yet
		t.Errorf("6 calls made %d attempts", n)
	}
}

// An attempt that fails while the second runs waits for it; its error counts when both fail.
func TestSecondAttemptAfterAFailure(t *testing.T) {
	for _, works := range []bool{true, false} {
		second, once := make(chan struct{}), sync.Once{}
		first, _ := server(t, "first", func(http.ResponseWriter, *http.Request) {
			<-second
			panic(http.ErrAbortHandler)
		})
		other, _ := server(t, "other", func(w http.ResponseWriter, _ *http.Request) {
			once.Do(func() { close(second) })
			if !works {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, "other")
		})
		c, view := newCaller(t, call.Config{Settings: resilience.Settings{Timeout: time.Second, Retry: resilience.Retry{Attempts: 2, Backoff: time.Millisecond}}}, first)
		rt := call.AfterPick(c, "stock", func() { view.Set([]discovery.Instance{first, other}) })
		got, err := send(t, rt, "GET", "")
		if works != (err == nil) || works && got != "other" {
			t.Errorf("%q, %v; the other works: %v", got, err, works)
		}
		if settled(c, "first")+settled(c, "other") != 0 {
			t.Error("something is in flight")
		}
	}
}

func TestStalledInstanceOverGRPC(t *testing.T) {
	for _, mayRepeat := range []bool{true, false} {
		slow, h, _ := grpcServer(t, "slow")
		ended := make(chan struct{})
		h.check = func(ctx context.Context) error { <-ctx.Done(); close(ended); return ctx.Err() }
		well, f, _ := grpcServer(t, "well")
		c, view := newCaller(t, call.Config{Settings: within}, slow)
		call.AfterPick(c, "stock", func() { view.Set([]discovery.Instance{slow, well}) })
		ctx := t.Context()
		if mayRepeat {
			ctx = keyed(ctx)
		}
		err := check(ctx, c)
		<-ended
		if mayRepeat && (err != nil || f.hits.Load() != 1) {
			t.Errorf("%v; %d hits", err, f.hits.Load())
		}
		if code := problem.CodeOf(problem.FromGRPC(err)); !mayRepeat && (code != problem.DeadlineExceeded || f.hits.Load() != 0) {
			t.Errorf("%v, %d hits", err, f.hits.Load())
		}
	}
}

// Do's attempts may not overlap: only the caller could keep them apart.
func TestDoIsNotJoined(t *testing.T) {
	a, b := instance("a", "127.0.0.1:1"), instance("b", "127.0.0.1:2")
	c, _ := newCaller(t, call.Config{Settings: resilience.Settings{Timeout: 40 * time.Millisecond}}, a, b)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
	defer cancel()
	attempts := 0 // not guarded: the race detector would see
	err := c.Do(ctx, call.Op{Service: "stock", Endpoint: discovery.HTTP, Idempotent: true}, func(ctx context.Context, _ *call.Ticket) error {
		attempts++
		<-ctx.Done()
		return ctx.Err()
	})
	if attempts != 1 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}
