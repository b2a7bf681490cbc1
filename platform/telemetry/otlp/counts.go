package otlp

import (
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
)

// What signals are counted in, the keys of [Counts].
const (
	Spans   = "spans"
	Records = "logs"
	Points  = "points"
)

// Why something was dropped.
const (
	DropID       = "invalid id"              // of a span: not 16 and 8 bytes, or all zero
	DropClock    = "clock"                   // its time lies beyond Limits.Ahead or Limits.Old
	DropLarge    = "too large"               // beyond Limits.Item
	DropServices = "too many services"       // beyond Limits.Services
	DropMany     = "too many in one request" // beyond Limits.Items
	DropFailed   = "store failed"            // the sink failed for good
	DropRejected = "rejected"                // by Receiver.Metrics
)

// OtherServices is the name under which Counts has what belongs to services beyond
// Limits.Services, and to those that were forgotten to make room for others.
const OtherServices = "(other services)"

// Counts is what came in since the receiver was made, and what became of it.
type Counts struct {
	Signals  map[string]Count            // by Spans, Records, Points
	Services map[string]map[string]Count // by service, then as Signals; the sum over all services is Signals
	Repaired map[string]int64            // spans and records kept after something was made right, by what it was
	Requests map[string]int64            // by outcome: "taken", and why they were refused: "malformed", "too large", "unsupported", "throttled", "returned", "failed", "aborted"
}

// Count counts spans, records or points. Received is Stored and all Dropped, exactly and
// at every moment.
type Count struct {
	Received int64
	Stored   int64
	Dropped  map[string]int64 // by reason
	Returned int64            // not taken and not in Received: the sender was asked to send them again
}

func (c *Count) add(d *Count) {
	c.Received += d.Received
	c.Stored += d.Stored
	c.Returned += d.Returned
	for why, n := range d.Dropped {
		c.drop(why, n)
	}
}

func (c *Count) drop(why string, n int64) {
	if c.Dropped == nil {
		c.Dropped = map[string]int64{}
	}
	c.Dropped[why] += n
}

func (c *Count) dropped() int64 {
	var n int64
	for _, m := range c.Dropped {
		n += m
	}
	return n
}

// Counts returns what was counted so far.
func (r *Receiver) Counts() Counts {
	t := &r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	c := Counts{Signals: copied(t.signals), Services: map[string]map[string]Count{}, Repaired: maps.Clone(t.repaired), Requests: maps.Clone(t.requests)}
	for name, s := range t.services {
		c.Services[name] = copied(s.counts)
	}
	return c
}

func copied(from map[string]*Count) map[string]Count {
	to := make(map[string]Count, len(from))
	for k, c := range from {
		d := *c
		d.Dropped = maps.Clone(c.Dropped)
		to[k] = d
	}
	return to
}

// tally is the counts being made. Its zero value is ready.
type tally struct {
	mu       sync.Mutex
	signals  map[string]*Count
	services map[string]*service
	repaired map[string]int64
	requests map[string]int64
	swept    time.Time // when room for services was last looked for
}

// service is a service that was heard of.
type service struct {
	name   string // a copy: the request's text is not kept for it
	counts map[string]*Count
	heard  time.Time
}

// quiet is how long a service is remembered that sends nothing, when others need its
// place.
const quiet = time.Hour

// known returns the service's name in the tally's own copy, making room for it where
// that can be; false where there are too many.
func (t *tally) known(name string, most int, now time.Time) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.services[name]; s != nil {
		s.heard = now
		return s.name, true
	}
	if name == OtherServices {
		return OtherServices, true
	}
	if len(t.services) >= most && !t.forget(now) {
		return "", false
	}
	name = strings.Clone(name)
	t.service(name).heard = now
	return name, true
}

func (t *tally) service(name string) *service {
	s := t.services[name]
	if s == nil {
		s = &service{name: name, counts: map[string]*Count{}}
		if t.services == nil {
			t.services = map[string]*service{}
		}
		t.services[name] = s
	}
	return s
}

// forget makes room by forgetting services that were quiet for long. It looks at most
// once a minute, for it is asked for every request of a service too many.
func (t *tally) forget(now time.Time) bool {
	if now.Sub(t.swept) < time.Minute {
		return false
	}
	t.swept = now
	found := false
	for name, s := range t.services {
		if name == OtherServices || now.Sub(s.heard) < quiet {
			continue
		}
		delete(t.services, name)
		found = true
		for sig, c := range s.counts {
			count(t.service(OtherServices).counts, sig).add(c)
		}
	}
	return found
}

// settle adds what one request brought: all of it at once, so that no reader sees it
// half counted.
func (t *tally) settle(sig string, l *ledger) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.signals == nil {
		t.signals = map[string]*Count{}
		t.repaired = map[string]int64{}
	}
	for name, c := range l.services {
		count(t.signals, sig).add(c)
		count(t.service(name).counts, sig).add(c)
	}
	for i, n := range l.repaired {
		if n > 0 {
			t.repaired[wire.Repair(1<<i).String()] += n
		}
	}
}

// request counts a request by its outcome.
func (t *tally) request(outcome string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.requests == nil {
		t.requests = map[string]int64{}
	}
	t.requests[outcome]++
}

func count(m map[string]*Count, sig string) *Count {
	c := m[sig]
	if c == nil {
		c = &Count{}
		m[sig] = c
	}
	return c
}
