package l4

import "sync/atomic"

// End is how a connection ended.
type End int

// The ends of a connection. All but Ended are seen as a reset by the client, or as a TLS
// alert.
const (
	Ended      End = iota // both sides had no more to send
	Broken                // one of them broke off, and so did we to the other
	Idle                  // it was silent for Config.Idle
	Cut                   // it was left over when the proxy ended
	Full                  // there were Config.Max already
	BadHello              // a TLS client's first message was wrong, too large, or did not come in time
	NoRoute               // nobody is routed at the name it asked for
	NoInstance            // none of the service was there or could be reached
	ends
)

var endNames = [ends]string{"ended", "broken", "idle", "cut", "full", "bad_hello", "no_route", "no_instance"}

// String returns the end's name in metrics, such as "no_route".
func (e End) String() string {
	if e < 0 || e >= ends {
		return "unknown"
	}
	return endNames[e]
}

// Stats is what a Proxy has counted. Accepted is Open and all of Ends together, but for
// what changes while they are read.
type Stats struct {
	Accepted int64
	Open     int64
	Ends     map[End]int64 // only those that there were
	In, Out  int64         // bytes that were passed to instances, and to clients
}

type counts struct {
	accepted, in, out atomic.Int64
	ends              [ends]atomic.Int64
}

func (c *counts) end(e End) { c.ends[e].Add(1) }

// Stats returns what was counted so far.
func (p *Proxy) Stats() Stats {
	c := &p.counts
	s := Stats{Ends: map[End]int64{}, In: c.in.Load(), Out: c.out.Load()}
	var ended int64
	for e := range ends {
		if n := c.ends[e].Load(); n > 0 {
			s.Ends[e] = n
			ended += n
		}
	}
	s.Accepted = c.accepted.Load()
	s.Open = s.Accepted - ended
	return s
}

// add returns the sum of two.
func (s Stats) add(other Stats) Stats {
	sum := Stats{
		Accepted: s.Accepted + other.Accepted, Open: s.Open + other.Open, In: s.In + other.In, Out: s.Out + other.Out,
		Ends: map[End]int64{},
	}
	for _, ends := range []map[End]int64{s.Ends, other.Ends} {
		for end, n := range ends {
			sum.Ends[end] += n
		}
	}
	return sum
}
