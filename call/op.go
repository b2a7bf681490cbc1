package call

import (
	"sync"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/internal/pool"
	"github.com/musterdev/muster/call/resilience"
)

// Op describes one call, whatever its protocol.
type Op struct {
	Service    string // the service called
	Name       string // "GET /v1/products" or "/shop.stock.v1.Stock/Reserve", for messages
	Route      string // the method and path that the service's rules are matched with; "" means Name
	Endpoint   string // discovery.HTTP or discovery.GRPC
	Version    string // only instances of this version while one is there; "" means any
	Idempotent bool   // sending it twice has the effect of sending it once
	Key        string // calls with the same one go to the same instance, where the service's balance is by hash; "" = any

	// Kept has calls with the same Key go to the same instance whatever the service's balance
	// is, and however busy that is, for as long as it is well.
	Kept bool
	// Instance is the id of the one that gets the call while it is there and well; "" any.
	Instance string

	// inline: when the call returns, its first attempt must not run any more. A hedge's
	// loser might.
	inline bool
}

func (o *Op) want() pool.Want { return pool.Want{Endpoint: o.Endpoint, Version: o.Version} }

func (o *Op) along() pool.Along { return pool.Along{Key: o.Key, Kept: o.Kept, Instance: o.Instance} }

// Idempotent reports whether an HTTP request may be repeated: a safe or idempotent
// method (RFC 9110, 9.2.2), or any method that carries an Idempotency-Key.
func Idempotent(method, key string) bool {
	switch method {
	case "", "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return key != ""
}

// Ticket is the right to make one attempt at one instance. The instance counts as
// loaded until Done.
type Ticket struct {
	Instance discovery.Instance
	Addr     string // host:port of the endpoint asked for

	member  *pool.Member
	beside  bool            // another attempt of the call may run that began before
	outcome balance.Outcome // what the answer told of the instance
	silent  bool            // how long it took says nothing of the instance
	took    time.Duration   // until its answer began
	queued  time.Duration   // of that, how long it waited for a connection that others used

	mu   sync.Mutex
	done bool
	then []func() // what else ends with it
	room [2]func()
}

// Done ends the attempt. Calling it again does nothing.
func (t *Ticket) Done() {
	t.mu.Lock()
	first, then := !t.done, t.then
	t.done, t.then = true, nil
	t.mu.Unlock()
	if !first {
		return
	}
	t.member.End()
	for _, f := range then {
		f()
	}
}

// finally has f called when the attempt has ended, at once if it has.
func (t *Ticket) finally(f func()) {
	t.mu.Lock()
	done := t.done
	if !done {
		if t.then == nil {
			t.then = t.room[:0]
		}
		t.then = append(t.then, f)
	}
	t.mu.Unlock()
	if done {
		f()
	}
}

// Failed is an attempt that did not bring an answer from the peer's handler; as the error
// of a call, its Sent tells of all attempts together.
type Failed struct {
	resilience.Failure
	Err   error
	After time.Duration // when the same call may be made again, as an open breaker knows; 0: nobody knows
}

// Error returns the cause's text.
func (f *Failed) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failed) Unwrap() error { return f.Err }
