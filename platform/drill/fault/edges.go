package fault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/musterdev/muster/call/discovery"
)

// MaxEdges bounds the proxies of one [Edges].
const MaxEdges = 1024

// Edge names calls: from whom, to which instances, by which protocol. An empty field
// means any.
type Edge struct {
	From     string `yaml:"from"`     // the calling service, where its name is known
	To       string `yaml:"to"`       // the service called
	Instance string `yaml:"instance"` // one instance's id
	Endpoint string `yaml:"endpoint"` // discovery.HTTP or discovery.GRPC
}

// String returns "cart -> stock (stock-1, grpc)", with "any" for what is empty.
func (e Edge) String() string {
	word := func(s string) string {
		if s == "" {
			return "any"
		}
		return s
	}
	s := word(e.From) + " -> " + word(e.To)
	switch {
	case e.Instance != "" && e.Endpoint != "":
		s += " (" + e.Instance + ", " + e.Endpoint + ")"
	case e.Instance+e.Endpoint != "":
		s += " (" + e.Instance + e.Endpoint + ")"
	}
	return s
}

// matches reports whether a call of caller to the endpoint of in is one of the edge's.
func (e Edge) matches(caller, endpoint string, in discovery.Instance) bool {
	return (e.From == "" || e.From == caller) && (e.To == "" || e.To == in.Service) &&
		(e.Instance == "" || e.Instance == in.ID) && (e.Endpoint == "" || e.Endpoint == endpoint)
}

// Edges breaks calls between services: whoever asks for instances through it is given
// addresses of proxies for those edges that have toxics, one proxy for each caller and
// endpoint, and the instances' own for all others. Toxics change live; an edge that gets
// its first ones, or loses its last, makes callers learn new addresses at once.
// [Registry] and [Resolver] ask through it. It is safe for concurrent use; Close ends it.
type Edges struct {
	seed  uint64
	probe Probe

	mu         sync.Mutex
	rules      []rule // the last that matches counts
	proxies    map[way]*Proxy
	generation uint64        // counts changes of who is given which address
	changed    chan struct{} // closed at the next
	err        error         // the first proxy that could not be had
	closed     bool
}

type rule struct {
	edge   Edge
	toxics Toxics
}

// way is what one proxy is for.
type way struct {
	from string
	to   discovery.Ref
	name string // of the endpoint
	addr string // the endpoint's own
}

// NewEdges returns edges without toxics. Their proxies choose by seed; probe shows that
// an edge is clean again, nil means ProbeTCP.
func NewEdges(seed uint64, probe Probe) *Edges {
	return &Edges{seed: seed, probe: probe, proxies: map[way]*Proxy{}, changed: make(chan struct{})}
}

// Set makes t hold for an edge; where several set edges name a call, the one that was
// first set last counts. Clean toxics keep the proxies in between, which shows what these
// cost. The error is a toxic out of range.
func (e *Edges) Set(edge Edge, t Toxics) error {
	if err := t.Validate(); err != nil {
		return fmt.Errorf("edge %s: %w", edge, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("edge %s: the edges are closed", edge)
	}
	i := slices.IndexFunc(e.rules, func(r rule) bool { return r.edge == edge })
	if i < 0 {
		e.rules = append(e.rules, rule{edge, t})
		e.news()
	} else {
		e.rules[i].toxics = t
	}
	return e.apply()
}

// Remove takes an edge's toxics away, proves for each of its proxies that the way is
// clean, and only then gives callers the instances' own addresses back. An edge nobody
// called has no proof: what was broken there, nobody met. An edge that was not set has
// none either. Where another set edge names the same calls, its toxics hold from now on.
func (e *Edges) Remove(ctx context.Context, edge Edge) ([]Proof, error) {
	e.mu.Lock()
	i := slices.IndexFunc(e.rules, func(r rule) bool { return r.edge == edge })
	if i < 0 {
		e.mu.Unlock()
		return nil, nil
	}
	e.rules[i].toxics = Toxics{} // in between until the way is proven
	var clean []*Proxy
	for w, p := range e.proxies {
		if r := e.rule(w); r != nil && r.edge == edge {
			clean = append(clean, p)
		}
	}
	e.mu.Unlock()

	proofs, errs := make([]Proof, len(clean)), make([]error, len(clean))
	var proving sync.WaitGroup
	for i, p := range clean {
		proving.Go(func() { proofs[i], errs[i] = p.Remove(ctx) })
	}
	proving.Wait()

	e.mu.Lock()
	defer e.mu.Unlock()
	e.rules = slices.DeleteFunc(e.rules, func(r rule) bool { return r.edge == edge })
	e.news()
	return proofs, errors.Join(errors.Join(errs...), e.apply())
}

// Stats sums up what passed the proxies an edge's toxics act on now: whether the fault
// was met at all.
func (e *Edges) Stats(edge Edge) (sum Stats) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for w, p := range e.proxies {
		if r := e.rule(w); r == nil || r.edge != edge {
			continue
		}
		s := p.Stats()
		sum.Accepted += s.Accepted
		sum.Open += s.Open
		sum.Reset += s.Reset
		sum.Silent += s.Silent
		sum.Unreached += s.Unreached
		sum.Up += s.Up
		sum.Down += s.Down
	}
	return sum
}

// Err returns the first failure to put a proxy where one belongs; a drill that has one
// did not break what it meant to.
func (e *Edges) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// Close ends all proxies. Callers that still use their addresses are cut off.
func (e *Edges) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.rules = nil
	var errs []error
	for _, p := range e.proxies {
		errs = append(errs, p.Close())
	}
	clear(e.proxies)
	e.news()
	return errors.Join(errs...)
}

// Rewrite returns in with the addresses the caller is to use. A proxy that cannot be had
// leaves the instance's own address, which Err then tells.
func (e *Edges) Rewrite(caller string, in discovery.Instance) discovery.Instance {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.rules) == 0 {
		return in
	}
	var endpoints map[string]string
	for _, name := range slices.Sorted(maps.Keys(in.Endpoints)) {
		w := way{from: caller, to: discovery.Ref{Service: in.Service, ID: in.ID}, name: name, addr: in.Endpoints[name]}
		r := e.rule(w)
		if r == nil {
			continue
		}
		p, err := e.proxy(w, r.toxics)
		if err != nil {
			if e.err == nil {
				e.err = fmt.Errorf("edge %s to %s: %w", r.edge, in.ID, err)
			}
			continue
		}
		if endpoints == nil {
			endpoints = maps.Clone(in.Endpoints)
		}
		endpoints[name] = p.Addr()
	}
	if endpoints != nil {
		in.Endpoints = endpoints // in is a copy, but its map was shared
	}
	return in
}

// Generation returns a number that changes whenever a caller is to be given other
// addresses, and a channel that is closed when it does.
func (e *Edges) Generation() (uint64, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.generation, e.changed
}

// proxy returns the proxy of a way; e.mu is held.
func (e *Edges) proxy(w way, t Toxics) (*Proxy, error) {
	if p := e.proxies[w]; p != nil {
		return p, nil
	}
	if len(e.proxies) >= MaxEdges {
		return nil, fmt.Errorf("there are %d proxies already; name fewer callers or instances", MaxEdges)
	}
	p, err := NewProxy(ProxyConfig{Target: w.addr, Seed: e.seed + uint64(len(e.proxies)), Probe: e.probe})
	if err != nil {
		return nil, err
	}
	if err := p.Set(t); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	e.proxies[w] = p
	return p, nil
}

// rule returns the rule that counts for a way, or nil; e.mu is held.
func (e *Edges) rule(w way) *rule {
	in := discovery.Instance{ID: w.to.ID, Service: w.to.Service}
	for i := len(e.rules) - 1; i >= 0; i-- {
		if e.rules[i].edge.matches(w.from, w.name, in) {
			return &e.rules[i]
		}
	}
	return nil
}

// apply gives the proxies the toxics of their rules, and ends those that have neither
// rule nor connection any more; e.mu is held.
func (e *Edges) apply() error {
	var errs []error
	for w, p := range e.proxies {
		r := e.rule(w)
		switch {
		case r != nil:
			errs = append(errs, p.Set(r.toxics))
		case p.Stats().Open == 0:
			delete(e.proxies, w)
			errs = append(errs, p.Close())
		default:
			errs = append(errs, p.Set(Toxics{}))
		}
	}
	return errors.Join(errs...)
}

// news tells who hands out addresses that others are to be given; e.mu is held.
func (e *Edges) news() {
	e.generation++
	close(e.changed)
	e.changed = make(chan struct{})
}
