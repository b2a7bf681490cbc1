package discovery

import (
	"slices"
	"sync"
)

// Static is a Resolver without a registry: each service has the instances it was
// made with. It is safe for concurrent use.
type Static struct {
	list func(service string) []Instance

	mu    sync.Mutex
	views map[string]*View
}

var _ Resolver = (*Static)(nil)

// Fixed returns a Resolver of the services in a map, which must not change any more.
// An instance needs only its Endpoints: an empty ID becomes the address, an empty
// State Ready, an empty Service the map's key.
func Fixed(services map[string][]Instance) *Static {
	return Func(func(service string) []Instance { return services[service] })
}

// Func returns a Resolver that asks list once for each service, at the first call
// for its view. It fills in what an instance leaves empty as Fixed does.
func Func(list func(service string) []Instance) *Static {
	return &Static{list: list, views: map[string]*View{}}
}

// View returns the view of a service; it never changes unless its holder sets it.
func (s *Static) View(service string) *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.views[service]; v != nil {
		return v
	}
	list := slices.Clone(s.list(service))
	for i := range list {
		in := &list[i]
		if in.Service == "" {
			in.Service = service
		}
		if in.State == "" {
			in.State = Ready
		}
		if in.ID == "" {
			in.ID = in.Endpoints[HTTP] + in.Endpoints[GRPC]
		}
	}
	v := NewView(list...)
	s.views[service] = v
	return v
}
