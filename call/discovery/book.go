package discovery

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"
)

// book is what a client knows of the services it watches, apart from any network
// or clock. It is not safe for concurrent use; its views are.
type book struct {
	entries map[string]*entry
	heard   string // the epoch of the last answer
	epoch   string // where the next watch begins; "" asks for everything
	index   uint64
}

// entry is one service. Its view shows live and, beside it, left: instances of
// which a registry that has just started cannot yet know whether they are gone or
// have merely not spoken.
type entry struct {
	view   *View
	live   map[string]Instance // as the registry of this epoch says
	left   []Instance          // last known good of before, where not in live
	cached bool                // left came from disk: of unknown age, so believed less
	until  time.Time           // when left is given up; zero: not before the registry knows the service
	dirty  bool                // the disk does not hold what the view shows
}

// track begins to watch a service, of which cached is what the disk remembers.
func (b *book) track(service string, cached []Instance) *View {
	e := &entry{view: NewView(cached...), live: map[string]Instance{}, left: cached, cached: true}
	b.entries[service] = e
	b.epoch, b.index = "", 0 // changes after an index would not bring its present instances
	return e.view
}

// watch returns the question that keeps the book up to date.
func (b *book) watch(wait time.Duration) Watch {
	w := Watch{Services: slices.Sorted(maps.Keys(b.entries)), Epoch: b.epoch, Index: b.index, Wait: wait}
	if len(w.Services) > MaxWatchServices {
		w.Services = nil
	}
	return w
}

// apply takes in the registry's answer and reports whether it brought anything.
func (b *book) apply(c Changes, now time.Time) bool {
	if !c.Reset && (c.Epoch != b.epoch || c.Index < b.index) { // changes after a state we do not have
		b.epoch, b.index = "", 0
		return false
	}
	fresh := c.Reset || c.Index > b.index // what changed without a new index was told before
	known := map[string]bool{}
	for _, s := range c.Known {
		known[s] = true
	}
	if c.Reset {
		b.reset(c, known)
	}
	for _, in := range c.Changed {
		if e := b.entries[in.Service]; e != nil {
			e.live[in.ID] = in
		}
	}
	for _, gone := range c.Removed {
		if e := b.entries[gone.Service]; e != nil {
			delete(e.live, gone.ID)
			e.left = slices.DeleteFunc(slices.Clone(e.left), func(in Instance) bool { return in.ID == gone.ID })
		}
	}
	b.settings(c.Settings)
	b.heard, b.epoch, b.index = c.Epoch, c.Epoch, c.Index
	for service, e := range b.entries {
		if known[service] && e.until.IsZero() {
			e.until = now // nothing on disk is believed against a registry that knows
			if !e.cached {
				e.until = now.Add(LeaseTTL) // all who live have spoken by then
			}
		}
	}
	b.settle(now)
	return fresh && (c.Reset || len(c.Changed)+len(c.Removed)+len(c.Settings) > 0)
}

// settings takes in how services are to be called.
func (b *book) settings(said map[string]Settings) {
	for service, s := range said {
		if bytes.Equal(s, []byte("null")) {
			s = nil
		}
		if e := b.entries[service]; e != nil && !bytes.Equal(s, e.view.Settings()) { // else the disk is not behind
			e.view.SetSettings(s)
			e.dirty = true
		}
	}
}

// reset prepares the entries for a full list.
func (b *book) reset(c Changes, known map[string]bool) {
	listed := map[string]bool{}
	for _, in := range c.Changed {
		listed[in.Service] = true
	}
	for service, e := range b.entries {
		switch {
		case known[service] && !listed[service]:
			e.left = nil // explicitly empty
		case c.Epoch != b.heard:
			e.left, e.until = slices.Clone(e.view.Instances()), time.Time{}
		case !known[service]:
			e.left = slices.Clone(e.view.Instances())
		}
		clear(e.live)
	}
}

// settle gives up what had its time and shows what is known in the views.
func (b *book) settle(now time.Time) {
	for _, e := range b.entries {
		if !e.until.IsZero() && !now.Before(e.until) {
			e.left = nil
		}
		if e.left == nil {
			e.cached = false
		}
		list := slices.Collect(maps.Values(e.live))
		for _, in := range e.left {
			if _, ok := e.live[in.ID]; !ok {
				list = append(list, in)
			}
		}
		slices.SortFunc(list, func(a, b Instance) int { return cmp.Compare(a.ID, b.ID) })
		if !slices.EqualFunc(list, e.view.Instances(), Instance.Equal) {
			e.view.Set(list)
			e.dirty = true
		}
	}
}

// due returns the time at which settle has something to give up; zero is never.
func (b *book) due() (at time.Time) {
	for _, e := range b.entries {
		if len(e.left) > 0 && !e.until.IsZero() && (at.IsZero() || e.until.Before(at)) {
			at = e.until
		}
	}
	return at
}
