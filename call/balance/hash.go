package balance

import "math"

// crowded is how many times its share of the calls in flight an endpoint may carry
// before a key goes to its next one (Mirrokni, Thorup, Zadimoghaddam: Consistent
// Hashing with Bounded Loads, 2018).
const crowded = 1.25

// rendezvous returns the endpoint that scores highest for the call's key among those
// that have room. When one comes or goes, only its own keys move; when one is crowded,
// its keys spread over all others instead of falling on one neighbour. A call that is kept
// finds room everywhere.
func rendezvous(list []choice, now int64, c *Call) (index, rank int) {
	key := c.Hash
	if key == 0 {
		key = mix(c.Turn + 1)
	}
	calls, weights := int64(1), int64(0)
	equal, lowest := true, math.MaxInt
	for _, e := range list {
		w := e.weight.Load()
		equal = equal && w == list[0].weight.Load()
		calls += e.inFlight.Load()
		weights += w
		lowest = min(lowest, e.rank(now, c))
	}
	full := true
	index, top := 0, math.Inf(-1)
	for i, e := range list {
		if e.rank(now, c) != lowest {
			continue
		}
		w, load := float64(e.weight.Load()), float64(e.inFlight.Load())
		room := c.Kept || load < math.Ceil(crowded*float64(calls)*w/float64(weights))
		if !room && !full {
			continue
		}
		score := float64(mix(key^e.id)>>11) + 0.5
		if !equal {
			score = -w / math.Log(score/(1<<53)) // each wins by its weight
		}
		if room && full || score > top {
			index, top = i, score
		}
		full = full && !room
	}
	return index, lowest
}
