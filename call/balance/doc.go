// Package balance decides which instance of a service the next call goes to. It knows
// nothing of networks: a caller tells an [Endpoint] what it saw of each attempt, and a
// [Set] of endpoints picks by that. All time comes in as a parameter and nothing runs
// by itself, so that every decision can be replayed and simulated (see balancetest).
//
//	set := balance.New(balance.Config{})
//	set.Replace(time.Now(), endpoints)
//	e := endpoints[set.All().Pick(time.Now(), balance.Call{Turn: n})]
//	e.Begin(time.Now())
//	// ... the attempt ...
//	e.End(time.Now(), took, balance.OK)
//
// Picking allocates nothing and takes no lock.
package balance
