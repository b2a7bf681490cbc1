package fleet

import (
	"maps"
	"slices"

	"github.com/musterdev/muster/platform/fleet/encrypt"
	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/include"
	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/strictyaml"
)

// reserved are the names of Muster's own processes.
var reserved = []string{"broker", "control", "edge", "muster"}

// declare reads the top level of a muster.yaml.
func (l *loader) declare(from *include.File) {
	f := &file{File: from, environments: map[string]*overlay{}, at: map[string]Place{"": {File: from.Path, Line: 1, Column: 1}}}
	l.files = append(l.files, f)
	if f.Root == nil {
		return
	}
	set := func(apply func(*Fleet)) { f.settings = append(f.settings, apply) }
	fields := l.platformFields(set)
	fields["fleet"] = func(n *strictyaml.Node) {
		if name, ok := reading.Text(n, "the fleet's name", grammar.Label); ok {
			set(func(t *Fleet) { t.Name = name })
		}
	}
	fields["owners"] = l.declareOwners
	fields["services"] = func(n *strictyaml.Node) { l.declareServices(f, n) }
	fields["environments"] = func(n *strictyaml.Node) { l.declareEnvironments(f, n) }
	fields["publishes"] = func(n *strictyaml.Node) {
		outside := l.topicList(n)
		set(func(t *Fleet) { t.Publishes = outside })
	}
	fields["include"] = func(*strictyaml.Node) {} // followed already
	f.Root.Fields("a fleet", fields)

	for _, p := range f.Root.Pairs {
		f.at[p.Name] = p.Place
	}
	if f.Index == 0 && !f.Root.Has("fleet") {
		l.errs.Add(f.at[""].Errorf(`the fleet has no name; add "fleet: NAME"`))
	}
}

// platformFields returns the keys that configure the platform's own processes,
// which stand at the top and in an environment.
func (l *loader) platformFields(set func(func(*Fleet))) strictyaml.Fields {
	// ports are those of one engine, the others from least on; more reads its other keys
	ports := func(key, what string, least int, keys map[string]func(*Fleet) *int, more strictyaml.Fields) func(*strictyaml.Node) {
		return func(n *strictyaml.Node) {
			if n.Kind == strictyaml.Map {
				set(func(t *Fleet) { t.places[key] = n.Place })
			}
			fields := strictyaml.Fields{}
			maps.Copy(fields, more)
			for name, to := range keys {
				place, low := key+"."+name, least
				if name == "port" {
					low = 0 // any free one
				}
				if name == "port" && least > 0 {
					place = key
				}
				fields[name] = func(n *strictyaml.Node) {
					if v, ok := n.Int(low, 65535); ok {
						set(func(t *Fleet) { t.places[place] = n.Place; *to(t) = v })
					}
				}
			}
			n.Fields(what, fields)
		}
	}
	type to = map[string]func(*Fleet) *int
	edge := l.declareFilters(set)
	edge["tcp"] = func(n *strictyaml.Node) { l.declareTCP(n, set) }
	edge["tls"] = func(n *strictyaml.Node) {
		if v, ok := encrypt.Read(n); ok {
			set(func(t *Fleet) {
				t.Edge.TLS = &v
				t.locate("edge.tls", n)
			})
		}
	}
	return strictyaml.Fields{
		"edge": ports("edge", "the edge", 1, to{
			"port": func(t *Fleet) *int { return &t.Edge.Port }, "local": func(t *Fleet) *int { return &t.Edge.Local },
		}, edge),
		"control": ports("control", "the control engine", 1, to{
			"port": func(t *Fleet) *int { return &t.Control.Port }, "dns": func(t *Fleet) *int { return &t.Control.DNS },
		}, nil),
		"broker": ports("broker", "the broker", 0, to{
			"port": func(t *Fleet) *int { return &t.Broker.Port }, "http": func(t *Fleet) *int { return &t.Broker.HTTP },
		}, nil),
		"bus": func(n *strictyaml.Node) {
			if v, ok := reading.Text(n, "a URL", grammar.URL("nats", "tls", "amqp", "amqps", "redis", "rediss", "kafka", "kafkas")); ok && l.references(n, v) {
				set(func(t *Fleet) { t.places["bus"] = n.Place; t.Bus = v })
			}
		},
		"telemetry": func(n *strictyaml.Node) { l.declareTelemetry(n, set) },
	}
}

// declareOwners reads the teams. Two files may name the same one, if they agree.
func (l *loader) declareOwners(n *strictyaml.Node) {
	l.broken = l.broken || n.Kind != strictyaml.Map
	if !l.bounded(n, "owners", len(n.Pairs), MaxOwners) {
		return
	}
	for _, p := range n.Each("team names to how a team is reached") {
		if !reading.Key(p, grammar.Label) {
			continue
		}
		o := Owner{Name: p.Name}
		text := func(to *string) func(*strictyaml.Node) {
			return func(n *strictyaml.Node) { *to, _ = n.Text("a text") }
		}
		p.Value.Fields("an owner", strictyaml.Fields{
			"slack": text(&o.Slack), "email": text(&o.Email), "pagerduty": text(&o.PagerDuty),
			"webhook": func(n *strictyaml.Node) { o.Webhook, _ = reading.Text(n, "a URL", grammar.URL("https", "http")) },
		})
		i := slices.IndexFunc(l.owners, func(other Owner) bool { return other.Name == o.Name })
		switch {
		case i < 0:
			l.owners = append(l.owners, o)
		case l.owners[i] != o:
			p.Errorf("owner %q is described otherwise in another file; let both say the same, or remove one", o.Name)
		}
	}
}

// declareServices reads the services of a file.
func (l *loader) declareServices(f *file, n *strictyaml.Node) {
	l.broken = l.broken || n.Kind != strictyaml.Map
	if !l.bounded(n, "services", len(n.Pairs), MaxServices) {
		return
	}
	for _, p := range n.Each("service names to services") {
		if !reading.Key(p, grammar.Label) {
			continue
		}
		if slices.Contains(reserved, p.Name) {
			p.Errorf("%q is the name of a part of Muster; choose another one", p.Name)
			continue
		}
		if other := l.byName[p.Name]; other != nil {
			p.Errorf("service %q is already declared at %s; rename one of the two", p.Name, other.place)
			continue
		}
		d := &declaration{name: p.Name, place: p.Place, file: f}
		l.byName[p.Name] = d
		f.services = append(f.services, d)
		r := &reader{loader: l, file: f, service: p.Name, add: func(set func(*draft)) { d.settings = append(d.settings, set) }}
		if p.Value.Fields("a service", r.fields()) && !p.Value.Has("run") {
			p.Errorf("service %q does not say how it is started; add \"run: COMMAND\"", p.Name)
		}
	}
}

// declareEnvironments reads the environments of a file.
func (l *loader) declareEnvironments(f *file, n *strictyaml.Node) {
	if !l.bounded(n, "environments", len(n.Pairs), MaxEnvironments) {
		return
	}
	for _, p := range n.Each("environment names to what is different there") {
		if !reading.Key(p, grammar.Label) {
			continue
		}
		o := &overlay{services: map[string][]func(*draft){}}
		f.environments[p.Name] = o
		set := func(apply func(*Fleet)) { o.fleet = append(o.fleet, apply) }
		general := &reader{loader: l, file: f, add: func(set func(*draft)) { o.general = append(o.general, set) }}
		fields := l.platformFields(set)
		fields["on"] = func(n *strictyaml.Node) {
			if v, ok := reading.Text(n, "local or kubernetes", reading.OneOf("targets", string(Local), string(Kubernetes))); ok {
				set(func(t *Fleet) { t.places["on"] = n.Place; t.On = Target(v) })
			}
		}
		fields["replicas"] = general.replicas
		fields["env"] = general.env
		fields["database"] = general.commonDatabase
		fields["services"] = func(n *strictyaml.Node) { l.overlayServices(f, o, n) }
		p.Value.Fields("an environment", fields)
	}
}

// overlayServices reads what an environment changes on single services.
func (l *loader) overlayServices(f *file, o *overlay, n *strictyaml.Node) {
	for _, p := range n.Each("service names to what is different there") {
		l.later = append(l.later, func() {
			switch d := l.byName[p.Name]; {
			case d == nil:
				p.Errorf("unknown service %q%s", grammar.Short(p.Name), l.suggestService(p.Name))
			case !slices.Contains(d.file.Lineage(), f.File):
				p.Errorf("service %q belongs to %s, which this file does not include; say this there, or in a file that includes both", p.Name, d.file.Path)
			}
		})
		r := &reader{loader: l, file: f, service: p.Name, add: func(set func(*draft)) {
			o.services[p.Name] = append(o.services[p.Name], set)
		}}
		p.Value.Fields("a service in an environment", r.overlayFields())
	}
}
