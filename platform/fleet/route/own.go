package route

import "github.com/musterdev/muster/strictyaml"

// elsewhere are the keys that say what is done with requests on their way to a service.
var elsewhere = []string{"mirror", "rewrite", "sticky", "versions"}

// ReadOwn reads a route of the edge itself: no service gets its requests, the edge says where
// to ask. false: the mistake is recorded.
func ReadOwn(n *strictyaml.Node) (Route, bool) {
	if n.Kind != strictyaml.Map || !n.Has("redirect") {
		n.Errorf(`a route of the edge itself redirects; write {path: /old, redirect: {prefix: /new}}, or write the route at the service that gets the requests`)
		return Route{}, false
	}
	for _, p := range n.Pairs {
		for _, key := range elsewhere {
			if p.Name == key {
				p.Errorf("%q is of no use where no service gets the requests; remove it, or write the route at a service", key)
				return Route{}, false
			}
		}
	}
	one, _, ok := Read(n, "")
	return one, ok
}
