package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/strictyaml"
)

// read reads a text by a rule of the grammar; what says what is wanted.
func read[T any](n *strictyaml.Node, what string, rule func(string) (T, error)) (T, bool) {
	var none T
	text, ok := n.Text(what)
	if !ok {
		return none, false
	}
	v, err := rule(text)
	if err != nil {
		n.Errorf("%v", err)
		return none, false
	}
	return v, true
}

// key checks the key of a pair by a rule of the grammar.
func key(p strictyaml.Pair, rule func(string) (string, error)) bool {
	if _, err := rule(p.Name); err != nil {
		p.Errorf("%v", err)
		return false
	}
	return true
}

// oneOf is the rule that a text is one of a few words.
func oneOf(what string, words ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", fmt.Errorf("%q is none of the %s%s", grammar.Short(s), what, strictyaml.SuggestOrList(s, words, what))
		}
		return s, nil
	}
}

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
		if v, ok := read(item, "a topic, such as \"orders.placed\", or a list of topics", grammar.Topic); ok {
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
		path, ok := read(p.Value, "POST and a path, such as \"POST /events\"", grammar.Post)
		if !key(p, grammar.TopicPattern) || !ok {
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
	slices.SortFunc(routes, compareRoutes)
	r.set("route", n, func(s *draft) { s.Routes = routes })
}

func (r *reader) oneRoute(n *strictyaml.Node) (Route, bool) {
	one := Route{Service: r.service, Place: n.Place}
	path := n
	if n.Kind == strictyaml.Map {
		path = nil
		n.Fields("a route", strictyaml.Fields{
			"path":     func(v *strictyaml.Node) { path = v },
			"versions": func(v *strictyaml.Node) { one.Versions = shares(v) },
		})
		if path == nil {
			n.Errorf("the route has no path; add \"path: /v1/…\"")
			return one, false
		}
	}
	t, ok := read(path, "a path such as \"/v1/products\", or a list of paths", grammar.Route)
	if !ok {
		return one, false
	}
	one.Host, one.Path, one.GRPC = t.Host, t.Path, t.GRPC
	r.later = append(r.later, func() { r.claim(one, path) })
	return one, true
}

// claim records a route and refuses one that is taken.
func (l *loader) claim(one Route, n *strictyaml.Node) {
	id := strings.TrimSuffix(one.String(), "/")
	if other, taken := l.routes[id]; taken {
		n.Errorf("route %q is already that of service %q at %s; remove one of the two", one, other.Service, other.Place)
		return
	}
	l.routes[id] = one
}

// shares reads the versions of a route.
func shares(n *strictyaml.Node) []Share {
	var list []Share
	sum := 0
	for _, p := range n.Each("versions to percent") {
		v, ok := p.Value.Int(0, 100)
		if !key(p, grammar.Word) || !ok {
			return nil
		}
		list = append(list, Share{p.Name, v})
		sum += v
	}
	if n.Kind == strictyaml.Map && sum != 100 {
		n.Errorf("the versions add up to %d percent; make it 100", sum)
		return nil
	}
	slices.SortFunc(list, func(a, b Share) int { return cmp.Compare(a.Version, b.Version) })
	return list
}

// probe returns what reads a probe: a check alone, or a mapping with it.
func (r *reader) probe(key string, of func(*draft) *Probe) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		p := defaultReady()
		if key == "live" {
			p.Path, p.Within, p.Assumed = "/livez", 0, false
		}
		within := func(to *time.Duration, high time.Duration) func(*strictyaml.Node) {
			return func(n *strictyaml.Node) {
				if v, ok := n.Duration(50*time.Millisecond, high); ok {
					*to = v
				}
			}
		}
		fields := strictyaml.Fields{
			"check":    p.check,
			"interval": within(&p.Interval, time.Minute),
			"timeout":  within(&p.Timeout, time.Minute),
			"failures": func(n *strictyaml.Node) {
				if v, ok := n.Int(1, 100); ok {
					p.Failures = v
				}
			},
		}
		if key == "ready" {
			fields["within"] = within(&p.Within, time.Hour)
		}
		if n.Kind == strictyaml.Map {
			n.Fields("a probe", fields)
		} else {
			p.check(n)
		}
		r.set(key, n, func(s *draft) { *of(s) = p })
	}
}

// check reads how a probe asks.
func (p *Probe) check(n *strictyaml.Node) {
	const want = "a path such as \"/readyz\", or grpc, tcp or none"
	v, ok := read(n, want, func(s string) (string, error) {
		kinds := []string{string(ProbeGRPC), string(ProbeNone), string(ProbeTCP)}
		if strings.HasPrefix(s, "/") || slices.Contains(kinds, s) {
			return s, nil
		}
		hint := strictyaml.Suggest(s, kinds)
		if hint == "" {
			hint = "; write " + want
		}
		return "", fmt.Errorf("%q is no check%s", grammar.Short(s), hint)
	})
	if !ok {
		return
	}
	p.Kind, p.Path, p.Assumed = ProbeKind(v), "", false
	if strings.HasPrefix(v, "/") {
		p.Kind = ProbeHTTP
		p.Path, _ = read(n, want, grammar.Path)
	}
}
