package balance_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterdev/muster/call/balance"
)

// A call that is kept goes to the endpoint of its key under every policy, however busy that
// is, until it is not well.
func TestKept(t *testing.T) {
	for _, policy := range []balance.Policy{balance.PeakEWMA, balance.LeastLoaded, balance.RoundRobin, balance.Random, balance.Weighted, balance.Hash, balance.Maglev} {
		set := balance.New(balance.Config{Policy: policy})
		var list []*balance.Endpoint
		for i := range 3 {
			list = append(list, balance.NewEndpoint(fmt.Sprint("e", i)))
		}
		g := set.Group(list)
		now := time.Unix(1000, 0)
		first := g.Pick(now, balance.Call{Hash: balance.Key("ada"), Kept: true})
		for turn := range uint64(100) {
			list[first].Begin()
			if i := g.Pick(now, balance.Call{Turn: turn, Hash: balance.Key("ada"), Kept: true}); i != first {
				t.Fatalf("%v: from %d to %d", policy, first, i)
			}
		}
		if i := g.Pick(now, balance.Call{Hash: balance.Key("ada"), Kept: true, Tried: list[first : first+1]}); i == first {
			t.Errorf("%v: an endpoint that failed the call is taken again", policy)
		}
	}
}
