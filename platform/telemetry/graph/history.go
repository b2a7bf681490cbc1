package graph

import (
	"math"
	"slices"
	"sort"
	"time"
)

// nodeKind is what a node is. The higher, the surer.
type nodeKind uint8

const (
	external nodeKind = iota + 1
	database
	service
)

func (k nodeKind) String() string {
	return [...]string{"external", "external", "database", "service"}[k]
}

// edgeKind is how one node has to do with the other.
type edgeKind uint8

const (
	call edgeKind = iota
	event
	query
)

func (k edgeKind) String() string { return [...]string{"call", "event", "query"}[k] }

// userName stands for who is outside, whatever services are called.
const userName = name(math.MaxUint32)

type edgeKey struct {
	from, to name
	kind     edgeKind
}

// history keeps sketches by the time when spans ended.
type history struct {
	buckets []bucket
	first   int64 // the number of the earliest bucket; 0: none yet
	kinds   map[name]nodeKind
}

// bucket is what went on in one step.
type bucket struct {
	number int64 // steps since 1970; 0: empty
	heard  map[name]struct{}
	nodes  map[name]*sketch
	edges  map[edgeKey]*sketch
}

func newHistory(keep time.Duration) history {
	return history{buckets: make([]bucket, keep/step+1), kinds: map[name]nodeKind{}}
}

// at returns the bucket of a moment, nil when it is too long ago. A moment that is yet to
// come counts as now: some clock is wrong.
func (h *history) at(ns, now int64) *bucket {
	number := min(ns, now) / int64(step)
	if number <= 0 || number <= now/int64(step)-int64(len(h.buckets)) {
		return nil
	}
	if h.first == 0 || number < h.first {
		h.first = number
	}
	b := &h.buckets[number%int64(len(h.buckets))]
	if b.number > number {
		return nil // the clock was set back
	}
	if b.number < number {
		*b = bucket{number: number, heard: map[name]struct{}{}, nodes: map[name]*sketch{}, edges: map[edgeKey]*sketch{}}
	}
	return b
}

// hear notes that a service sends spans.
func (h *history) hear(n name, ns, now int64) {
	if b := h.at(ns, now); b != nil {
		b.heard[n] = struct{}{}
		h.kinds[n] = service
	}
}

// be notes what a node is, unless more is known.
func (h *history) be(n name, k nodeKind) { h.kinds[n] = max(h.kinds[n], k) }

// node notes a request or message that a node took.
func (h *history) node(n name, rec *record, now int64) {
	b := h.at(rec.start+rec.took, now)
	if b == nil {
		return
	}
	s := b.nodes[n]
	if s == nil {
		if len(b.nodes) >= mostSeries {
			return
		}
		s = &sketch{}
		b.nodes[n] = s
	}
	s.add(rec, rec.failed)
}

// edge notes what went from one to the other: rec at who took it, seen by who asked.
func (h *history) edge(k edgeKey, label name, rec, seen *record, now int64) {
	b := h.at(seen.start+seen.took, now)
	if b == nil {
		return
	}
	s := b.edges[k]
	if s == nil {
		if len(b.edges) >= mostSeries {
			return
		}
		s = &sketch{}
		b.edges[k] = s
	}
	s.add(seen, rec.failed || seen.failed)
	s.name(label, float64(seen.weight))
}

// sketch counts spans, and how long they took to some 4 %.
type sketch struct {
	count  float64
	errors float64
	bins   []bin // by at
	labels []labelled
}

// bin counts the durations between growth^(at-1) and growth^at µs.
type bin struct {
	at    uint16
	count float32
}

// labelled counts the spans of a label.
type labelled struct {
	label name
	count float64
}

const (
	growth     = 1.08
	mostLabels = 100
)

func (s *sketch) add(rec *record, failed bool) {
	weight := rec.weight
	s.count += float64(weight)
	if failed {
		s.errors += float64(weight)
	}
	at := uint16(0)
	if us := float64(rec.took) / 1e3; us > 1 {
		at = uint16(math.Ceil(math.Log(us) / math.Log(growth))) // of 292 years: 479
	}
	s.bin(at, weight)
}

func (s *sketch) bin(at uint16, count float32) {
	i := sort.Search(len(s.bins), func(i int) bool { return s.bins[i].at >= at })
	if i == len(s.bins) || s.bins[i].at != at {
		s.bins = slices.Insert(s.bins, i, bin{at: at})
	}
	s.bins[i].count += count
}

func (s *sketch) name(label name, count float64) {
	for i := range s.labels {
		if s.labels[i].label == label {
			s.labels[i].count += count
			return
		}
	}
	if len(s.labels) < mostLabels {
		s.labels = append(s.labels, labelled{label, count})
	}
}

// merge adds another's counts.
func (s *sketch) merge(o *sketch) {
	s.count += o.count
	s.errors += o.errors
	for _, b := range o.bins {
		s.bin(b.at, b.count)
	}
	for _, l := range o.labels {
		s.name(l.label, l.count)
	}
}

// quantile returns the duration in ms that a share of spans did not exceed.
func (s *sketch) quantile(share float64) float64 {
	total := 0.0
	for _, b := range s.bins {
		total += float64(b.count)
	}
	rest := share * total
	for i, b := range s.bins {
		rest -= float64(b.count)
		if rest <= 1e-9*total || i == len(s.bins)-1 {
			return math.Pow(growth, float64(b.at)-0.5) / 1e3
		}
	}
	return 0
}

// share returns how many of the spans failed.
func (s *sketch) share() float64 {
	if s.count == 0 {
		return 0
	}
	return s.errors / s.count
}
