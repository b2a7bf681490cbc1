package fleet

import (
	"slices"

	"github.com/musterdev/muster/platform/fleet/route"
)

// Route sends requests to a service.
type Route = route.Route

// Share is the part of a route's traffic that goes to one version.
type Share = route.Share

// Routes returns the routing table: the routes of all services, those with a host
// first, then the longest path first, so that the first that matches is the right
// one. No two have the same host and path.
func (f *Fleet) Routes() []Route {
	var all []Route
	for _, s := range f.Services {
		all = append(all, s.Routes...)
	}
	slices.SortFunc(all, route.Compare)
	return all
}
