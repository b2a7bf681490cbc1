package fault

import (
	"slices"
	"sync"

	"github.com/musterdev/muster/call/discovery"
)

// Resolver passes on the views of another with the addresses one caller is to use by
// some [Edges]. It is safe for concurrent use. Close ends it.
type Resolver struct {
	next   discovery.Resolver
	caller string
	edges  *Edges
	stop   chan struct{}
	work   sync.WaitGroup

	mu     sync.Mutex
	views  map[string]*discovery.View
	closed bool
}

var _ discovery.Resolver = (*Resolver)(nil)

// NewResolver returns a Resolver over next for the service named caller; "" is nobody
// in particular, whom only edges from any concern.
func NewResolver(next discovery.Resolver, caller string, edges *Edges) *Resolver {
	return &Resolver{next: next, caller: caller, edges: edges, stop: make(chan struct{}), views: map[string]*discovery.View{}}
}

// View returns the view of a service by the addresses the caller is to use.
func (r *Resolver) View(service string) *discovery.View {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v := r.views[service]; v != nil {
		return v
	}
	from, to := r.next.View(service), discovery.NewView()
	changed, edges := r.update(from, to)
	r.views[service] = to
	if !r.closed {
		r.work.Go(func() { r.follow(from, to, changed, edges) })
	}
	return to
}

// Close ends following; views keep their last list.
func (r *Resolver) Close() {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.stop)
	}
	r.mu.Unlock()
	r.work.Wait()
}

// follow passes each change on, of the list and of the edges.
func (r *Resolver) follow(from, to *discovery.View, changed, edges <-chan struct{}) {
	for {
		select {
		case <-changed:
		case <-edges:
		case <-r.stop:
			return
		}
		changed, edges = r.update(from, to)
	}
}

// update makes to's list and returns the news that make it outdated.
func (r *Resolver) update(from, to *discovery.View) (changed, edges <-chan struct{}) {
	changed = from.Changed()
	_, edges = r.edges.Generation()
	list := slices.Clone(from.Instances())
	for i := range list {
		list[i] = r.edges.Rewrite(r.caller, list[i])
	}
	to.SetSettings(from.Settings())
	to.Set(list)
	return changed, edges
}
