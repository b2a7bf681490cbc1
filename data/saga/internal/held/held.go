// Package held is what one run of an engine holds: its leases, as far as it knows, and
// the workers that sagas which begin have been promised.
package held

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
)

// Leases are what one run of an engine holds.
type Leases struct {
	mu     sync.Mutex
	list   map[table.Key]*Lease
	coming int                 // sagas that begin here, see reserve
	closed bool                // none begins any more
	strays map[table.Key]int64 // fences of what the table said, at the last beat, that it holds besides
}

// New returns no leases.
func New() *Leases { return &Leases{list: map[table.Key]*Lease{}} }

// Add takes up a saga that was claimed at the time asked. one is its lease from now on.
func (l *Leases) Add(one *Lease, r *table.Row, asked time.Time) {
	one.Comes(r)
	one.Renew(asked)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list[r.Key()] = one
}

// Reserve keeps a worker free for a saga that begins, unless all have something to do or
// the run is about to end. Who was given one gives it back by Release.
func (l *Leases) Reserve(workers int, all *sync.WaitGroup) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(l.list)+l.coming >= workers {
		return false
	}
	l.coming++
	all.Add(1) // not after the wait for them has begun: then it is closed
	return true
}

// Release gives back what Reserve promised.
func (l *Leases) Release(all *sync.WaitGroup) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.coming--
	all.Done()
}

// Shut has no saga begin any more.
func (l *Leases) Shut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// Remove forgets one that is carried on no more.
func (l *Leases) Remove(r *table.Row, one *Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := r.Key(); l.list[k] == one {
		delete(l.list, k)
	}
}

// Count returns how many workers have something to do, or are promised.
func (l *Leases) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.list) + l.coming
}

// Suspects reports whether one of them is suspected to end whoever carries it on.
func (l *Leases) Suspects() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.list {
		if one.place().Lost >= table.Suspect {
			return true
		}
	}
	return false
}

// Places names the sagas and the steps at hand, in order.
func (l *Leases) Places() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, one := range l.list {
		at := one.place()
		step := table.Row{Step: at.Step, Undoing: at.Undoing}
		list = append(list, fmt.Sprintf("%s %s at step %s", at.Name, at.ID, step.Place()))
	}
	slices.Sort(list)
	return list
}

// Renew takes what a beat, begun at the time asked, extended. It returns what has been
// in the table without anybody working on it since the beat before: a claim or a step
// whose answer was lost.
func (l *Leases) Renew(fences map[table.Key]int64, asked time.Time) map[table.Key]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	strays, lost := map[table.Key]int64{}, map[table.Key]int64{}
	for k, fence := range fences {
		if one := l.list[k]; one != nil && one.place().Fence == fence {
			one.Renew(asked)
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

// Overdue is a try that goes on after its time, and how long it may have taken.
type Overdue struct {
	Place

	Timeout time.Duration
}

// Overdue returns tries that go on after their time, each once.
func (l *Leases) Overdue(now time.Time) (list []Overdue) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.list {
		if late, is := one.overdue(now); is {
			list = append(list, late)
		}
	}
	return list
}
