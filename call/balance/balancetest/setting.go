package balancetest

import (
	"math"
	"math/rand/v2"
	"time"
)

// Discipline is how a replica shares its workers among the calls it has.
type Discipline uint8

// The disciplines.
const (
	Sharing Discipline = iota // all calls run at once and share the workers, as goroutines share cores
	Queue                     // each worker does one call after the other
)

// Setting is the world of one run. Zero values mean the defaults named; times are
// virtual.
type Setting struct {
	Seed       uint64
	Replicas   int           // 10
	Workers    int           // of each replica; 4
	Mean       time.Duration // of a call's work; 10 ms, exponentially distributed
	HeavyTail  bool          // instead 5 % of the calls take ten times the mean, the others half of it
	Slow       int           // how many replicas are slow, beginning with the first
	Slowness   float64       // times that the slow ones take; 5
	Moving     time.Duration // after this the next ones are slow; 0 = never
	Discipline Discipline
	Clients    int           // each with a memory of its own; 20
	Load       float64       // of what all replicas together can do; 0.8
	Delay      time.Duration // of the network one way; 0.25 ms
	Deadline   time.Duration // after which a caller gives up; 1 s. The replica works on
	Warm       time.Duration // not counted; 10 s
	For        time.Duration // counted; 60 s
	Zones      int           // replicas and clients are spread over them in turn; 1
	Far        time.Duration // what a call between zones takes longer one way; 1 ms
	HomeOnly   bool          // all clients are in the first zone
}

func (s Setting) defaults() Setting {
	or(&s.Replicas, 10)
	or(&s.Workers, 4)
	or(&s.Mean, 10*time.Millisecond)
	or(&s.Slowness, 5)
	or(&s.Clients, 20)
	or(&s.Load, 0.8)
	or(&s.Delay, 250*time.Microsecond)
	or(&s.Deadline, time.Second)
	or(&s.Warm, 10*time.Second)
	or(&s.For, 60*time.Second)
	or(&s.Zones, 1)
	or(&s.Far, time.Millisecond)
	return s
}

func or[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}

// rate is how many calls a second arrive in all.
func (s Setting) rate() float64 {
	whole := float64(s.Replicas-s.Slow) + float64(s.Slow)/s.Slowness
	return s.Load * whole * float64(s.Workers) / s.Mean.Seconds() / s.meanWork()
}

// meanWork is the mean of work, in means.
func (s Setting) meanWork() float64 {
	if s.HeavyTail {
		return 0.05*10 + 0.95*0.5
	}
	return 1
}

// work draws how many ns of one worker's time a call takes.
func (s Setting) work(r *rand.Rand) float64 {
	mean := float64(s.Mean)
	switch {
	case !s.HeavyTail:
		return r.ExpFloat64() * mean
	case r.Float64() < 0.05:
		return 10 * mean
	default:
		return r.ExpFloat64() * mean / 2
	}
}

// speed is how fast the workers of a replica are at a time.
func (s Setting) speed(replica int, now int64) float64 {
	shift := 0
	if s.Moving > 0 {
		shift = int(now/int64(s.Moving)) * s.Slow
	}
	if (replica-shift%s.Replicas+s.Replicas)%s.Replicas < s.Slow {
		return 1 / s.Slowness
	}
	return 1
}

// delay is one way between a client and a replica.
func (s Setting) delay(client, replica int) int64 {
	if s.clientZone(client) != replica%s.Zones {
		return int64(s.Delay + s.Far)
	}
	return int64(s.Delay)
}

func (s Setting) clientZone(client int) int {
	if s.HomeOnly {
		return 0
	}
	return client % s.Zones
}

// Result is what the callers felt. Calls that failed count with the deadline.
type Result struct {
	Policy         string
	Calls          int
	P50, P99, P999 time.Duration
	Mean           time.Duration
	Failed         float64 // share that met no answer within the deadline
	Extra          float64 // probes a call, for policies that probe
	PerReplica     []int   // calls sent to each
	Away           float64 // share of calls that left their client's zone
}

// histogram counts latencies in buckets that are 1 % wide.
type histogram struct {
	buckets [2400]int
	n       int
	sum     float64
}

func (h *histogram) add(ns float64) {
	i := int(math.Log(max(ns, 1e3)/1e3) / math.Log(1.01))
	h.buckets[min(i, len(h.buckets)-1)]++
	h.n++
	h.sum += ns
}

func (h *histogram) quantile(q float64) time.Duration {
	left := int(math.Ceil(q * float64(h.n)))
	for i, n := range h.buckets {
		if left -= n; left <= 0 {
			return time.Duration(1e3 * math.Pow(1.01, float64(i)+0.5))
		}
	}
	return 0
}
