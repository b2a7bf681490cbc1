// Package callers counts who still calls what is deprecated.
package callers

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/gateway/route"
)

// Caller is who still calls a deprecated route.
type Caller struct {
	Subject  string    // who asked, as a filter found out; "" nobody could say
	Requests int64     // since the route is deprecated, or the edge runs
	Last     time.Time // the latest of them
}

// maxCallers bounds how many subjects are told apart for one route; others are counted
// together with those of whom nothing is known.
const maxCallers = 1000

// Deprecated counts who calls deprecated routes. It lives through changes of the table. Its
// zero value has counted nothing. It is safe for concurrent use.
type Deprecated struct {
	mu     sync.Mutex
	routes map[string]map[string]*Caller // by route and subject
}

// Add counts a request of a subject, "" nobody, to a route by its name.
func (o *Deprecated) Add(label, subject string, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	callers := o.routes[label]
	if callers == nil {
		if o.routes == nil {
			o.routes = map[string]map[string]*Caller{}
		}
		callers = map[string]*Caller{}
		o.routes[label] = callers
	}
	c := callers[subject]
	if c == nil {
		if len(callers) >= maxCallers {
			subject = ""
		}
		if c = callers[subject]; c == nil {
			c = &Caller{Subject: strings.Clone(subject)}
			callers[c.Subject] = c
		}
	}
	c.Requests++
	c.Last = at
}

// Keep forgets the routes that are not deprecated, or not there, any more.
func (o *Deprecated) Keep(t *route.Table) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.routes) == 0 {
		return
	}
	kept := map[string]map[string]*Caller{}
	for _, r := range t.Routes() {
		if callers := o.routes[r.Name()]; r.Deprecated != nil && callers != nil {
			kept[r.Name()] = callers
		}
	}
	o.routes = kept
}

// All returns who has called, by route, who calls most first.
func (o *Deprecated) All() map[string][]Caller {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := map[string][]Caller{}
	for label, callers := range o.routes {
		for _, c := range callers {
			all[label] = append(all[label], *c)
		}
		slices.SortFunc(all[label], func(a, b Caller) int {
			return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Subject, b.Subject))
		})
	}
	return all
}
