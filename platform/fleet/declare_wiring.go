package fleet

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/probe"
	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/platform/fleet/route"
	"github.com/musterdev/muster/strictyaml"
)

// references checks the ${…} of a text, now their form and later the services.
func (l *loader) references(n *strictyaml.Node, text string) bool {
	services, err := grammar.References(text)
	if err != nil {
		n.Errorf("%v", err)
		return false
	}
	slices.Sort(services)
	for _, name := range slices.Compact(services) {
		l.later = append(l.later, func() {
			if l.byName[name] == nil {
				n.Errorf("unknown service %q%s", grammar.Short(name), l.suggestService(name))
			}
		})
	}
	return true
}

// topicList reads one topic or several, sorted, and notes that they exist.
func (l *loader) topicList(n *strictyaml.Node) []string {
	var list []string
	if !l.bounded(n, "topics", len(n.OneOrMore()), MaxWires) {
		return nil
	}
	for _, item := range n.OneOrMore() {
		if v, ok := reading.Text(item, "a topic, such as \"orders.placed\", or a list of topics", grammar.Topic); ok {
			list = append(list, v)
			l.topics[v] = true
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (r *reader) publishes(n *strictyaml.Node) {
	list := r.topicList(n)
	r.set("publishes", n, func(s *draft) { s.Publishes = list })
}

func (r *reader) on(n *strictyaml.Node) {
	var list []Subscription
	if !r.bounded(n, "subscriptions", len(n.Pairs), MaxSubscriptions) {
		return
	}
	for _, p := range n.Each("topics to where their events are posted") {
		path, ok := reading.Text(p.Value, "POST and a path, such as \"POST /events\"", grammar.Post)
		if !reading.Key(p, grammar.TopicPattern) || !ok {
			continue
		}
		list = append(list, Subscription{Topic: p.Name, Path: path})
		r.later = append(r.later, func() {
			if !r.published(p.Name) {
				p.Errorf("no service publishes %q%s", grammar.Short(p.Name), strictyaml.SuggestOrList(p.Name, slices.Collect(maps.Keys(r.topics)), "topics"))
			}
		})
	}
	slices.SortFunc(list, func(a, b Subscription) int { return cmp.Compare(a.Topic, b.Topic) })
	topics := make([]string, len(list))
	for i, s := range list {
		topics[i] = s.Topic
	}
	if err := grammar.Together(topics); err != nil {
		n.Errorf("%v", err)
	}
	r.set("on", n, func(s *draft) { s.On = list })
}

// published reports whether there is a topic that pattern asks for.
func (l *loader) published(pattern string) bool {
	if !strings.Contains(pattern, "*") {
		return l.topics[pattern]
	}
	for topic := range l.topics {
		if bus.Matches(pattern, topic) {
			return true
		}
	}
	return false
}

// route reads the routes of a service: one or a list, each a text or a mapping.
func (r *reader) route(n *strictyaml.Node) {
	var routes []Route
	if !r.bounded(n, "routes", len(n.OneOrMore()), MaxWires) {
		return
	}
	for _, item := range n.OneOrMore() {
		if one, ok := r.oneRoute(item); ok {
			routes = append(routes, one)
		}
	}
	slices.SortFunc(routes, route.Compare)
	r.set("route", n, func(s *draft) { s.Routes = routes })
}

func (r *reader) oneRoute(n *strictyaml.Node) (Route, bool) {
	one, path, ok := route.Read(n, r.service)
	if ok {
		r.later = append(r.later, func() { r.claim(one, path) })
	}
	return one, ok
}

// claim records a route and refuses one that is taken.
func (l *loader) claim(one Route, n *strictyaml.Node) {
	id := identity(one)
	if other, taken := l.routes[id]; taken {
		n.Errorf("route %q is already that of service %q at %s; remove one of the two", one, other.Service, other.Place)
		return
	}
	l.routes[id] = one
}

// probe returns what reads a probe.
func (r *reader) probe(key string, of func(*draft) *Probe) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		p := probe.DefaultReady()
		if key == "live" {
			p = probe.DefaultLive()
		}
		p.Read(n, key == "ready")
		r.set(key, n, func(s *draft) { *of(s) = p })
	}
}
