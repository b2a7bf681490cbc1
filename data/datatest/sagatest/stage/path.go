package stage

import (
	"strings"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/saga"
)

// Try is one that had an effect.
type Try struct {
	Place string // "pay/do"
	Fence int64
}

// Done is all tries that had an effect, in order.
func (w *World) Done() []string {
	w.Mu.Lock()
	defer w.Mu.Unlock()
	list := make([]string, len(w.Order))
	for i, try := range w.Order {
		list[i] = try.Place
	}
	return list
}

// Forget is as if nothing had been.
func (w *World) Forget() {
	w.T.Helper()
	for _, table := range []string{"muster_saga", "muster_saga_step", "effect"} {
		dbtest.Execute(w.T, w.DB, "DELETE FROM "+table)
	}
	w.Mu.Lock()
	defer w.Mu.Unlock()
	w.Order, w.Calls, w.Seen = nil, map[string]int{}, map[string]int64{}
}

// Lapses is how many leases of one saga may have ended by themselves since the test began, because the machine
// stood still for so long: as a rule none.
func (w *World) Lapses() int { return int(time.Since(w.Begun) / saga.Lease) }

// Path wants that the tries of one saga were these, in this order. A try that a lease may have ended in the middle
// of may be there once more, by the fence that its next holder has: that is how Remote steps are promised.
func (w *World) Path(what string, want ...string) {
	w.T.Helper()
	w.Mu.Lock()
	defer w.Mu.Unlock()
	if !Follows(w.Order, want, w.Lapses()) {
		w.T.Errorf("%s:\n got %v\nwant %s, and %d of them once more at most", what, w.Order, strings.Join(want, " "), w.Lapses())
	}
}

// Follows reports whether tries were these, but for so many that another holder repeated.
func Follows(tries []Try, want []string, lapses int) bool {
	n, fence := 0, int64(0)
	for _, try := range tries {
		switch {
		case n < len(want) && try.Place == want[n]:
			n++
		case n > 0 && try.Place == want[n-1] && try.Fence > fence && lapses > 0:
			lapses--
		default:
			return false
		}
		fence = try.Fence
	}
	return n == len(want)
}
