package balancetest

import (
	"fmt"
	"math"
	"time"

	"github.com/musterdev/muster/call/balance"
)

// Balanced is the policy of package balance with a configuration: each client has its
// own Set of all replicas. Zones are named "0", "1", ...; a client's zone is filled in
// when there are several.
func Balanced(cfg balance.Config) Policy {
	return Policy{Name: cfg.Policy.String(), New: func(w *World, client int) Chooser {
		cfg := cfg // each client's own
		cfg.Caller = fmt.Sprintf("client-%d", client)
		if w.Setting.Zones > 1 {
			cfg.Zone = fmt.Sprint(w.Setting.clientZone(client))
		}
		b := &balanced{set: balance.New(cfg), turn: w.Rand.Uint64()}
		for i := range w.Setting.Replicas {
			e := balance.NewEndpoint(fmt.Sprintf("replica-%d", i))
			e.Describe(100, fmt.Sprint(i%w.Setting.Zones))
			b.endpoints = append(b.endpoints, e)
		}
		b.set.Replace(time.Unix(0, epoch), b.endpoints)
		b.group = b.set.All()
		return b
	}}
}

type balanced struct {
	set       *balance.Set
	group     *balance.Group
	endpoints []*balance.Endpoint
	turn      uint64
}

func (b *balanced) Choose(now time.Time) int {
	b.turn++
	i := b.group.Pick(now, balance.Call{Turn: b.turn})
	b.endpoints[i].Begin()
	return i
}

func (b *balanced) Ended(now time.Time, i int, took time.Duration, outcome balance.Outcome, _ Report) {
	b.endpoints[i].End(now, took, outcome)
}

// Expected is the oracle: it knows every call on every replica and how fast each is,
// and takes the shortest expected delay. No caller can know that.
func Expected() Policy {
	return truth("oracle", func(w *World, i int) float64 {
		return max(1, float64(w.Load(i)+1)/float64(w.Setting.Workers)) / w.Speed(i)
	})
}

// Shortest knows every call on every replica and takes the one with the fewest.
func Shortest() Policy {
	return truth("shortest queue", func(w *World, i int) float64 { return float64(w.Load(i)) })
}

func truth(name string, cost func(w *World, i int) float64) Policy {
	return Policy{Name: name, New: func(w *World, _ int) Chooser { return oracle{w, cost} }}
}

type oracle struct {
	w    *World
	cost func(w *World, i int) float64
}

func (o oracle) Choose(time.Time) int {
	best, least := 0, math.Inf(1)
	n := o.w.Setting.Replicas
	first := o.w.Rand.IntN(n)
	for k := range n {
		i := (first + k) % n
		if c := o.cost(o.w, i); c < least {
			best, least = i, c
		}
	}
	return best
}

func (oracle) Ended(time.Time, int, time.Duration, balance.Outcome, Report) {}

// TwoChoices takes the less loaded of two replicas drawn, by this client's own calls in
// flight: the usual least request.
func TwoChoices() Policy {
	return Policy{Name: "two choices", New: func(w *World, _ int) Chooser {
		return &twoChoices{w: w, inFlight: make([]int, w.Setting.Replicas)}
	}}
}

type twoChoices struct {
	w        *World
	inFlight []int
}

func (t *twoChoices) Choose(time.Time) int {
	n := len(t.inFlight)
	a, b := t.w.Rand.IntN(n), t.w.Rand.IntN(n-1)
	if b >= a {
		b++
	}
	if t.inFlight[b] < t.inFlight[a] {
		a = b
	}
	t.inFlight[a]++
	return a
}

func (t *twoChoices) Ended(_ time.Time, i int, _ time.Duration, _ balance.Outcome, _ Report) {
	t.inFlight[i]--
}

// Reported goes by the load that replicas report with their answers: it adds what it
// sent itself since, and probes a replica that it has not heard of for 250 ms.
func Reported() Policy {
	return Policy{Name: "reported", New: func(w *World, _ int) Chooser {
		return &reported{w: w, known: make([]heard, w.Setting.Replicas)}
	}}
}

type heard struct {
	Report
	at       int64
	since    int // calls sent since the report
	inFlight int
	asked    bool
}

type reported struct {
	w     *World
	known []heard
}

func (r *reported) Probe(now time.Time) int {
	n := len(r.known)
	first := r.w.Rand.IntN(n)
	for k := range n {
		i := (first + k) % n
		if h := &r.known[i]; h.inFlight == 0 && !h.asked && now.UnixNano()-h.at > int64(250*time.Millisecond) {
			h.asked = true
			return i
		}
	}
	return -1
}

func (r *reported) Probed(now time.Time, i int, report Report) {
	r.known[i].asked = false
	r.hear(now, i, report)
}

func (r *reported) hear(now time.Time, i int, report Report) {
	h := &r.known[i]
	h.Report, h.at, h.since = report, now.UnixNano(), 0
}

func (r *reported) Choose(time.Time) int {
	best, least := 0, math.Inf(1)
	n := len(r.known)
	first := r.w.Rand.IntN(n)
	for k := range n {
		i := (first + k) % n
		h := &r.known[i]
		if cost := h.MeanLatency * float64(h.Running+h.since+1) / (h.MeanRunning + 1); cost < least {
			best, least = i, cost
		}
	}
	r.known[best].since++
	r.known[best].inFlight++
	return best
}

func (r *reported) Ended(now time.Time, i int, took time.Duration, outcome balance.Outcome, report Report) {
	r.known[i].inFlight--
	if outcome == balance.OK {
		r.hear(now, i, report)
		return
	}
	r.known[i].MeanLatency = max(r.known[i].MeanLatency, float64(took))
}
