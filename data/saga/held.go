package saga

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
)

// lease is this engine's right to one saga, as far as it knows.
type lease struct {
	fence int64

	mu    sync.Mutex
	until time.Time
	at    table.Row   // the step at hand
	timer *time.Timer // while a Remote step runs
}

// renew says that the database extended the lease after the time asked.
func (l *lease) renew(asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = asked.Add(Lease)
	if l.timer != nil {
		l.timer.Reset(time.Until(l.until))
	}
}

// comes says that the saga has come to another step, or to another try of it.
func (l *lease) comes(at table.Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = at
}

func (l *lease) place() table.Row {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// within returns a context that ends, with table.ErrLost as its cause, when the lease does:
// then another engine may be at the same step.
func (l *lease) within(ctx context.Context) (leased context.Context, stop func()) {
	leased, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(time.Until(l.until), func() { cancel(table.ErrLost) })
	return leased, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.timer.Stop()
		l.timer = nil
		cancel(nil)
	}
}

// leases are what one run of an engine holds.
type leases struct {
	mu     sync.Mutex
	list   map[table.Key]*lease
	strays map[table.Key]int64 // fences of what the table said, at the last beat, that it holds besides
}

func (l *leases) add(r table.Row, asked time.Time) *lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := &lease{fence: r.Fence, until: asked.Add(Lease), at: r}
	l.list[r.Key()] = one
	return one
}

func (l *leases) remove(r table.Row, one *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := r.Key(); l.list[k] == one {
		delete(l.list, k)
	}
}

func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.list)
}

// suspects reports whether one of them is suspected to end whoever carries it on.
func (l *leases) suspects() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.list {
		if one.place().Lost >= table.Suspect {
			return true
		}
	}
	return false
}

// places names the sagas and the steps at hand, in order.
func (l *leases) places() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, one := range l.list {
		at := one.place()
		list = append(list, fmt.Sprintf("%s %s at step %s", at.Name, at.ID, place(at)))
	}
	slices.Sort(list)
	return list
}

// renew takes what a beat, begun at the time asked, extended. It returns what has been
// in the table without anybody working on it since the beat before: a claim or a step
// whose answer was lost.
func (l *leases) renew(fences map[table.Key]int64, asked time.Time) map[table.Key]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	strays, lost := map[table.Key]int64{}, map[table.Key]int64{}
	for k, fence := range fences {
		if one := l.list[k]; one != nil && one.fence == fence {
			one.renew(asked)
			continue
		}
		if before, ok := l.strays[k]; ok && before == fence {
			lost[k] = fence
			continue
		}
		strays[k] = fence
	}
	l.strays = strays
	return lost
}
