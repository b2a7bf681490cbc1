package route

import (
	"slices"
	"strings"
)

// zone is a place in the tree of domains that wildcards are below. Its key is one label, and
// the last label of a domain comes first: so a host that is below none of them costs one look.
type zone struct {
	next map[string]*zone
	root node // of the routes for all names below this domain
}

// root returns where the routes of a host begin, and makes that when there is nothing yet.
func (t *Table) root(host string) *node {
	domain, wild := strings.CutPrefix(host, "*.")
	switch {
	case wild:
		if t.below == nil {
			t.below = &zone{}
		}
		return t.below.at(domain)
	case host == "":
		if t.any == nil {
			t.any = &node{}
		}
		return t.any
	case t.hosts[host] == nil:
		t.hosts[host] = &node{}
	}
	return t.hosts[host]
}

// at returns where the routes for all names below a domain begin.
func (z *zone) at(domain string) *node {
	for _, label := range slices.Backward(strings.Split(domain, ".")) {
		if z.next == nil {
			z.next = map[string]*zone{}
		}
		if z.next[label] == nil {
			z.next[label] = &zone{}
		}
		z = z.next[label]
	}
	return &z.root
}

// find looks at the longest wildcards first. rest is what of the host stands before the zone's
// domain; a label of it is left for the wildcard itself.
func (z *zone) find(a *Ask, rest string) *Target {
	if z == nil {
		return nil
	}
	if i := strings.LastIndexByte(rest, '.'); i > 0 && len(z.next) > 0 {
		if found := z.next[rest[i+1:]].find(a, rest[:i]); found != nil {
			return found
		}
	}
	return z.root.find(a, a.Path[1:], true)
}
