// Package hold is what one engine knows of the steps that are held, and which failures it
// has noted: most of it is asked of the table, but not each time.
package hold

import (
	"sync"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
)

// Fresh is for how long what was read of the table is taken for true. Who acts by it asks the table again.
const Fresh = 250 * time.Millisecond

// View is what an engine knows. Its zero value knows nothing; it is safe for concurrent use.
type View struct {
	mu    sync.RWMutex
	held  map[table.At]string // what the errors have in common
	read  time.Time
	notes map[kind]note
}

type kind struct {
	at    table.At
	alike string
}

// note are the sagas that failed alike since a time.
type note struct {
	since time.Time
	ids   map[string]bool
}

// Stale reports whether the table is to be asked, and that it is asked now.
func (v *View) Stale(now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.read.IsZero() && now.Sub(v.read) < Fresh {
		return false
	}
	v.read = now
	return true
}

// Set says which steps are held. It returns how many are now, and whether that is another number than before.
func (v *View) Set(list []table.Held) (n int, changed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := len(v.held)
	v.held = nil
	for _, h := range list {
		if v.held == nil {
			v.held = map[table.At]string{}
		}
		v.held[h.At] = h.Alike
	}
	return len(v.held), len(v.held) != before
}

// Lifted says that a step is not held any more.
func (v *View) Lifted(a table.At) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.held, a)
	for k := range v.notes {
		if k.at == a {
			delete(v.notes, k)
		}
	}
}

// Has reports whether a step is held.
func (v *View) Has(r *table.Row) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if len(v.held) == 0 {
		return false
	}
	_, held := v.held[r.At()]
	return held
}

// Same reports whether a step is held for errors like this one.
func (v *View) Same(r *table.Row, alike string) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	held, is := v.held[r.At()]
	return is && held == alike
}

// most is how many kinds of failures are told apart at a time: who writes something random
// into his errors is not to fill the memory.
const most = 1000

// Note reports whether the table is to be told that a saga failed so: not where it was told of
// this saga, or of as many as count, since within ago.
func (v *View) Note(r *table.Row, alike string, now time.Time, within time.Duration, enough int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := kind{r.At(), alike}
	n, known := v.notes[k]
	if !known && len(v.notes) >= most {
		for old, n := range v.notes {
			if now.Sub(n.since) >= within {
				delete(v.notes, old)
			}
		}
		if len(v.notes) >= most {
			return false
		}
	}
	if !known || now.Sub(n.since) >= within {
		n = note{now, map[string]bool{}}
	}
	if n.ids[r.ID] || len(n.ids) >= enough {
		return false
	}
	n.ids[r.ID] = true
	if v.notes == nil {
		v.notes = map[kind]note{}
	}
	v.notes[k] = n
	return true
}
