// Package drain takes instances out of what the edge may choose before anybody else
// says so, or while nobody can: a [Resolver] between the edge and the registry's
// client that hides those that are marked.
package drain

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

// stale is how long after its mark an instance that is still listed, and by a list
// that goes on changing, counts as another with the same id and address: a drain and
// the end of a process take less.
const stale = 2 * time.Minute

// Resolver passes on the views of another, without the instances that are marked. It
// is safe for concurrent use.
//
// A mark lasts until the instance is gone from the other's list, or until that list
// shows that a new one has taken its id: it has another address, or it was draining
// and is no more.
type Resolver struct {
	next discovery.Resolver
	stop chan struct{}
	work sync.WaitGroup

	mu     sync.Mutex
	views  map[string]*view
	marks  map[string]*mark // by id
	closed bool
}

type view struct {
	from, to *discovery.View
}

type mark struct {
	service   string
	endpoints map[string]string
	since     time.Time
	drained   bool // the list has said that it drains
}

var _ discovery.Resolver = (*Resolver)(nil)

// New returns a Resolver over next. Close ends it.
func New(next discovery.Resolver) *Resolver {
	return &Resolver{next: next, stop: make(chan struct{}), views: map[string]*view{}, marks: map[string]*mark{}}
}

// Close ends following the other resolver; views keep their last list.
func (r *Resolver) Close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.stop)
	}
	r.mu.Unlock()
	r.work.Wait()
}

// View returns the view of a service without its marked instances.
func (r *Resolver) View(service string) *discovery.View {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.views[service]; v != nil {
		return v.to
	}
	v := &view{from: r.next.View(service), to: discovery.NewView()}
	r.views[service] = v
	changed := v.from.Changed()
	r.update(service, v)
	if !r.closed {
		r.work.Go(func() { r.follow(service, v, changed) })
	}
	return v.to
}

// Near names the services whose names are near one that nobody has registered.
func (r *Resolver) Near(service string) []string {
	if names, ok := r.next.(discovery.Nearer); ok {
		return names.Near(service)
	}
	return nil
}

// Mark hides an instance, at once, and reports whether one of that id is listed.
func (r *Resolver) Mark(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.marks[id] != nil {
		return true
	}
	for service, v := range r.views {
		for _, in := range v.from.Instances() {
			if in.ID == id {
				r.marks[id] = &mark{service: service, endpoints: in.Endpoints, since: time.Now()}
				r.update(service, v)
				return true
			}
		}
	}
	return false
}

// Marked returns the ids of the instances that are hidden, sorted.
func (r *Resolver) Marked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.marks))
}

// follow passes each change on. changed is of the list that was passed on last.
func (r *Resolver) follow(service string, v *view, changed <-chan struct{}) {
	for {
		select {
		case <-changed:
		case <-r.stop:
			return
		}
		changed = v.from.Changed()
		r.mu.Lock()
		r.update(service, v)
		r.mu.Unlock()
	}
}

// update makes the view's list; r.mu is held.
func (r *Resolver) update(service string, v *view) {
	list := v.from.Instances()
	for id, m := range r.marks {
		if m.service == service && m.over(id, list) {
			delete(r.marks, id)
		}
	}
	v.to.SetSettings(v.from.Settings())
	v.to.Set(slices.DeleteFunc(slices.Clone(list), func(in discovery.Instance) bool { return r.marks[in.ID] != nil }))
}

// over reports whether the instance that was marked is not in list any more.
func (m *mark) over(id string, list []discovery.Instance) bool {
	i := slices.IndexFunc(list, func(in discovery.Instance) bool { return in.ID == id })
	if i < 0 || !maps.Equal(list[i].Endpoints, m.endpoints) {
		return true
	}
	draining := list[i].State == discovery.Draining
	m.drained = m.drained || draining
	return m.drained && !draining || !draining && time.Since(m.since) > stale
}
