package call_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
)

// tries are the attempts of an Inline call that answer with the address they went to.
type tries struct {
	ask       func(ctx context.Context, t *call.Ticket, beside bool) error
	given     chan struct{} // closed by GiveUp
	discarded atomic.Int64
}

func (t *tries) Attempt(ctx context.Context, ticket *call.Ticket, beside bool) (string, error) {
	if err := t.ask(ctx, ticket, beside); err != nil {
		return "", err
	}
	ticket.Answered(200, false)
	ticket.Done()
	return ticket.Addr, nil
}

func (t *tries) GiveUp() { close(t.given) }

func (t *tries) Discard(string) { t.discarded.Add(1) }

func two() discovery.Resolver {
	in := func(id string) discovery.Instance {
		return discovery.Instance{ID: id, State: discovery.Ready, Endpoints: map[string]string{discovery.HTTP: id}}
	}
	return discovery.Fixed(map[string][]discovery.Instance{"a": {in("1"), in("2")}})
}

// An attempt that fails unsent is made again elsewhere; one that was sent only where that is safe.
func TestInlineRepeats(t *testing.T) {
	c := call.New(call.Config{Resolver: two()})
	defer c.Close()
	for _, test := range []struct {
		idempotent, sent bool
		tries            int64
	}{{false, false, 2}, {false, true, 1}, {true, true, 2}} {
		var i call.Inline[string]
		for range 2 { // it is used again
			var n atomic.Int64
			of := &tries{ask: func(context.Context, *call.Ticket, bool) error {
				if n.Add(1) == 1 {
					return &call.Failed{Failure: resilience.Failure{Sent: test.sent}, Err: errors.New("broke off")}
				}
				return nil
			}}
			i.Begin()
			addr, err := i.Do(t.Context(), c, call.Op{Service: "a", Name: "GET /", Endpoint: discovery.HTTP, Idempotent: test.idempotent}, of)
			if n.Load() != test.tries || (err == nil) != (test.tries == 2) || (addr != "") != (err == nil) {
				t.Errorf("%+v: %d tries, %q, %v", test, n.Load(), addr, err)
			}
		}
	}
}

// A first attempt that says nothing is joined by a second, which wins and has it given up; where
// nobody looks after the call, or it may not be repeated, none joins.
func TestInlineJoin(t *testing.T) {
	for _, idempotent := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c := call.New(call.Config{Resolver: two()})
			defer c.Close()
			of := &tries{given: make(chan struct{})}
			var besides atomic.Int64
			of.ask = func(ctx context.Context, _ *call.Ticket, beside bool) error {
				if beside {
					besides.Add(1)
					return nil
				}
				select {
				case <-of.given:
				case <-time.After(5 * time.Second):
					return nil // it was only slow
				case <-ctx.Done():
				}
				return &call.Failed{Failure: resilience.Failure{Sent: true}, Err: errors.New("given up")}
			}
			var i call.Inline[string]
			i.Begin()
			over := make(chan struct{})
			go func() {
				for now := range time.Tick(100 * time.Millisecond) {
					select {
					case <-over:
						return
					default:
						i.Join(now)
					}
				}
			}()
			began := time.Now()
			_, err := i.Do(t.Context(), c, call.Op{Service: "a", Name: "GET /", Endpoint: discovery.HTTP, Idempotent: idempotent}, of)
			took := time.Since(began)
			close(over)
			if err != nil || (besides.Load() == 1) != idempotent || (took < 5*time.Second) != idempotent {
				t.Errorf("idempotent %v: %d joined, %v after %s", idempotent, besides.Load(), err, took)
			}
			synctest.Wait()
			time.Sleep(time.Second)
		})
	}
}

// A timeout of the service's policies ends the attempt by its context.
func TestInlineTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := call.New(call.Config{Resolver: two(), Settings: resilience.Settings{Timeout: time.Second}})
		defer c.Close()
		of := &tries{ask: func(ctx context.Context, _ *call.Ticket, _ bool) error {
			<-ctx.Done()
			return &call.Failed{Failure: resilience.Failure{Sent: true}, Err: ctx.Err()}
		}}
		var i call.Inline[string]
		for range 2 {
			i.Begin()
			began := time.Now()
			_, err := i.Do(t.Context(), c, call.Op{Service: "a", Name: "POST /", Endpoint: discovery.HTTP}, of)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		}
	})
}

func ExampleInline() {
	c := call.New(call.Config{Resolver: two()})
	defer c.Close()
	of := &tries{ask: func(context.Context, *call.Ticket, bool) error { return nil }} // a protocol of one's own
	var i call.Inline[string]
	i.Begin()
	addr, err := i.Do(context.Background(), c, call.Op{Service: "a", Name: "GET /", Endpoint: discovery.HTTP, Idempotent: true}, of)
	fmt.Println(addr != "", err)
	// Output: true <nil>
}

func BenchmarkInline(b *testing.B) {
	c := call.New(call.Config{Resolver: two(), Settings: resilience.Settings{Timeout: -1}})
	defer c.Close()
	of := &tries{ask: func(context.Context, *call.Ticket, bool) error { return nil }}
	var i call.Inline[string]
	b.ReportAllocs()
	for b.Loop() {
		i.Begin()
		if _, err := i.Do(b.Context(), c, call.Op{Service: "a", Name: "GET /", Endpoint: discovery.HTTP, Idempotent: true}, of); err != nil {
			b.Fatal(err)
		}
	}
}
