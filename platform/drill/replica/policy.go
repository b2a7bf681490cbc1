package replica

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/load/latency"
)

// The policies, the best first, as simulated.
const (
	peakEWMA = iota
	leastLoaded
	twoChoices
	roundRobin
)

func names() []string { return []string{"peak-ewma", "least-loaded", "power of two", "round-robin"} }

// ours are those of package balance.
func ours() map[int]balance.Policy {
	return map[int]balance.Policy{leastLoaded: balance.LeastLoaded, roundRobin: balance.RoundRobin}
}

// policy is callers who choose in one way, and what they met.
type policy struct {
	name    string
	callers []caller
	ends    []func()

	times    *latency.Histogram
	failed   int
	void     int            // rounds in which the generator was late
	lost     int            // rounds that could not be held without
	lag      time.Duration  // the generator's, the largest p99 of a round
	failures map[string]int // rounds by what failed in them
}

// visits are what callers met in one round.
type visits struct {
	mu     sync.Mutex
	took   []time.Duration
	failed int
}

// caller makes one call.
type caller interface {
	call(ctx context.Context) error
}

func (cfg Config) policies(registry discovery.Resolver, addrs []string) []*policy {
	var list []*policy
	for kind, name := range names() {
		p := &policy{name: name, times: latency.New(), failures: map[string]int{}}
		for range callers {
			c := call.Config{
				Resolver: registry,
				Settings: resilience.Settings{Timeout: cfg.deadline(), Retry: resilience.Retry{Attempts: 1}},
				// nobody is left out, as what is compared is who is chosen
				Balance: balance.Config{Policy: ours()[kind], Eject: balance.Ejection{Off: true}},
			}
			if kind == twoChoices {
				c.Resolver = apart(addrs)
			}
			made := call.New(c)
			p.ends = append(p.ends, made.Close)
			if kind == twoChoices {
				p.callers = append(p.callers, newPair(made, addrs))
			} else {
				p.callers = append(p.callers, one{made.Client(service)})
			}
		}
		list = append(list, p)
	}
	return list
}

func (p *policy) close() {
	for _, end := range p.ends {
		end()
	}
}

// call is a visitor's: callers take turns.
func (p *policy) call(ctx context.Context, v *load.Visitor) (string, error) {
	return "", p.callers[v.Number()%len(p.callers)].call(ctx)
}

func (v *visits) note(s load.Sample, deadline time.Duration) {
	took := s.Ended.Sub(s.Intended)
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.Err != nil {
		v.failed++
		took = max(took, deadline)
	}
	v.took = append(v.took, took)
}

// take counts a round.
func (p *policy) take(v *visits) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, d := range v.took {
		p.times.Record(d)
	}
	p.failed += v.failed
}

// one leaves the choice to its client.
type one struct{ client *http.Client }

func (o one) call(ctx context.Context) error {
	return stage.Get(ctx, o.client, "http://"+service+"/")
}

// apart returns the replicas as services of one instance each, so that who chooses between
// them makes the very same calls.
func apart(addrs []string) discovery.Resolver {
	services := map[string][]discovery.Instance{}
	for _, at := range addrs {
		services[at] = []discovery.Instance{{ID: at, Endpoints: map[string]string{discovery.HTTP: at}}}
	}
	return discovery.Fixed(services)
}

// pair draws two replicas and takes the one with fewer calls of its own in flight: the
// power of two choices (Mitzenmacher, 2001), the usual "least request".
type pair struct {
	clients []*http.Client

	mu       sync.Mutex
	inFlight []int
}

func newPair(from *call.Caller, addrs []string) *pair {
	p := &pair{inFlight: make([]int, len(addrs))}
	for _, at := range addrs {
		p.clients = append(p.clients, from.Client(at))
	}
	return p
}

func (p *pair) call(ctx context.Context) error {
	p.mu.Lock()
	a, b := rand.IntN(len(p.inFlight)), rand.IntN(len(p.inFlight)-1)
	if b >= a {
		b++
	}
	if p.inFlight[b] < p.inFlight[a] {
		a = b
	}
	p.inFlight[a]++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.inFlight[a]--
		p.mu.Unlock()
	}()
	return stage.Get(ctx, p.clients[a], "http://"+service+"/")
}
