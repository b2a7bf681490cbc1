package graph

import (
	"context"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Config is how a graph is kept. The zero value is usable.
type Config struct {
	Keep    time.Duration    // how far back Map can look; default 1 h, most 24 h
	Wait    time.Duration    // how long a client's span waits for the server's before its peer counts as one that sends no spans; default 10 s
	Pending int              // spans kept to join others to, about 300 B each; default 131072, at least 16
	Edge    string           // the service whose root spans are asked for by users; default "edge"
	Broker  string           // the service that only carries events from one to the other; default "broker"
	Now     func() time.Time // default time.Now
}

// The size of a graph, whatever it is sent.
const (
	step        = 10 * time.Second // what one bucket of sketches covers
	mostNames   = 256              // operations and topics of a service that are told apart
	mostNodes   = 2000
	mostSeries  = 10_000 // of nodes, and of edges and labels, in a bucket
	mostRebuilt = 1_000_000
	otherName   = "(others)"
)

func (c Config) withDefaults() Config {
	if c.Keep <= 0 {
		c.Keep = time.Hour
	}
	c.Keep = min(max(c.Keep, time.Minute), 24*time.Hour)
	if c.Wait <= 0 {
		c.Wait = 10 * time.Second
	}
	if c.Pending <= 0 {
		c.Pending = 1 << 17
	}
	c.Pending = max(c.Pending, 16)
	if c.Edge == "" {
		c.Edge = "edge"
	}
	if c.Broker == "" {
		c.Broker = "broker"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Graph learns from spans who calls whom. Its methods may be called concurrently.
type Graph struct {
	cfg Config

	mu     sync.Mutex
	names  names
	edge   name // of Config.Edge
	broker name // of Config.Broker
	spans  ring
	past   history
}

// New returns a graph without nodes.
func New(cfg Config) *Graph {
	g := &Graph{cfg: cfg.withDefaults(), names: newNames()}
	g.edge, g.broker = g.names.node(g.cfg.Edge), g.names.node(g.cfg.Broker)
	g.spans = newRing(g.cfg.Pending)
	g.past = newHistory(g.cfg.Keep)
	return g
}

// Add takes spans in, in any order: a child may come before its parent, and each from
// another process. A span that is added twice counts once. What it needs of the spans it
// copies.
func (g *Graph) Add(spans []signal.Span) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.cfg.Now().UnixNano()
	for len(spans) > 0 { // parents and children of a batch are there before any is joined
		n := min(len(spans), g.cfg.Pending/2)
		g.add(spans[:n], now)
		spans = spans[n:]
	}
	g.settle(now)
}

// Map returns what went on in the time until now, at least 10 s and at most
// Config.Keep. Its beginning is a multiple of 10 s, and no earlier than what is known, so
// that rates are right when the graph has just begun.
func (g *Graph) Map(window time.Duration) Map {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.cfg.Now().UnixNano()
	g.settle(now)
	return g.draw(now, min(max(window, step), g.cfg.Keep))
}

// History returns how a service fared in the time before each moment, whose ends are
// multiples of 10 s: figures of a Node, without its place in a map. nil stands where
// nothing is known: for times of before the graph began, and before the service took anything.
func (g *Graph) History(service string, moments []time.Time, within time.Duration) []*Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.settle(g.cfg.Now().UnixNano())
	return g.history(service, moments, max(1, int64(within/step)))
}

// Rebuild adds the spans of a store that began in the last Config.Keep, after a restart:
// the newest million. Spans that are added meanwhile count once. It fails as the store does.
func (g *Graph) Rebuild(ctx context.Context, store signal.Store) error {
	now := g.cfg.Now()
	q := signal.SpanQuery{Window: signal.Window{From: now.Add(-g.cfg.Keep), Until: now}}
	var batch []signal.Span
	n := 0
	for s, err := range store.Spans(ctx, q) {
		if err != nil {
			return err
		}
		if n++; n > mostRebuilt {
			break
		}
		if batch = append(batch, *s); len(batch) == 1000 {
			g.Add(batch)
			clear(batch)
			batch = batch[:0]
		}
	}
	g.Add(batch)
	return nil
}
