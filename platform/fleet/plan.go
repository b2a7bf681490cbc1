package fleet

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/probe"
	"github.com/musterdev/muster/strictyaml"
)

// draft is a service on which settings are being laid.
type draft struct {
	Service
	fixed       bool     // says its own database: the environment's does not apply
	common      Database // the environment's
	commonPlace Place
}

// plans lays each environment over the files, checks the result and returns that
// of the environment that was asked for.
func (l *loader) plans() *Fleet {
	names := l.environmentNames()
	if !slices.Contains(names, DefaultEnvironment) {
		names = append(names, DefaultEnvironment)
	}
	if !slices.Contains(names, l.opts.Environment) {
		at, ok := l.files[0].at["environments"]
		if !ok {
			at = l.files[0].at[""]
		}
		l.errs.Add(at.Errorf("there is no environment %q%s", grammar.Short(l.opts.Environment),
			strictyaml.SuggestOrList(l.opts.Environment, names, "environments")))
	}
	override := l.overrides()
	var chosen *Fleet
	for _, name := range names {
		f := l.plan(name)
		override(f)
		l.check(f)
		if name == l.opts.Environment {
			chosen = f
		}
	}
	if chosen != nil {
		l.checkVariables(chosen)
	}
	return chosen
}

// plan lays one environment over the files.
func (l *loader) plan(environment string) *Fleet {
	first := l.files[0]
	f := &Fleet{
		EnvironmentName: environment, On: Local, Dir: filepath.Dir(first.Abs),
		Owners: slices.SortedFunc(slices.Values(l.owners), func(a, b Owner) int { return cmp.Compare(a.Name, b.Name) }),
		Edge:   Edge{Port: DefaultEdgePort}, Control: Control{Port: DefaultControlPort},
		Broker: Broker{Port: DefaultBrokerPort, HTTP: DefaultBrokerHTTP},
		places: map[string]Place{"": first.at[""]}, lookup: l.opts.Env,
	}
	for _, set := range first.settings {
		set(f)
	}
	if o := first.environments[environment]; o != nil {
		for _, set := range o.fleet {
			set(f)
		}
	}
	for _, file := range l.files {
		f.Files = append(f.Files, file.Abs)
		for _, d := range file.services {
			f.Services = append(f.Services, l.planService(d, environment))
		}
	}
	slices.SortFunc(f.Services, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	f.Publishes = slices.Compact(slices.Sorted(slices.Values(f.Publishes)))
	f.markStablePorts()
	return f
}

// planService lays an environment over one service: what the environment says of all
// services, then what it says of this one; each time the file nearer to the top
// has the last word.
func (l *loader) planService(d *declaration, environment string) Service {
	s := draft{Service: Service{
		Name: d.name, Dir: filepath.Dir(d.file.Abs), Replicas: 1, Version: DefaultVersion, Zone: DefaultZone,
		Weight: DefaultWeight, Ready: probe.DefaultReady(), StopGrace: DefaultStopGrace, places: map[string]Place{"": d.place},
	}}
	settings := [][]func(*draft){d.settings}
	var single [][]func(*draft)
	for _, f := range d.file.Lineage() {
		if o := l.files[f.Index].environments[environment]; o != nil {
			settings, single = append(settings, o.general), append(single, o.services[d.name])
		}
	}
	settings = append(settings, single...)
	for _, list := range settings {
		for _, set := range list {
			set(&s)
		}
	}
	if s.Database.Engine != "" && !s.fixed && s.common.Engine != "" {
		s.Database, s.places["database"] = s.common, s.commonPlace
	}
	if s.TCP && s.Ready.Assumed {
		s.Ready.Kind, s.Ready.Path, s.Ready.Assumed = ProbeTCP, "", false
	}
	return s.Service
}

// markStablePorts finds the services to whose address a template refers.
func (f *Fleet) markStablePorts() {
	referred := map[string]bool{}
	note := func(template string) {
		services, _ := grammar.References(template) // an error is told where the template was read
		for _, name := range services {
			referred[name] = true
		}
	}
	note(f.Bus)
	note(f.Telemetry.Endpoint)
	for _, s := range f.Services {
		for _, t := range s.templates() {
			note(t.text)
		}
	}
	for i := range f.Services {
		f.Services[i].StablePort = referred[f.Services[i].Name]
	}
}

// overrides reads the variables that go before the file.
func (l *loader) overrides() func(*Fleet) {
	port := func(variable string) (int, bool) {
		if l.opts.Env == nil {
			return 0, false
		}
		text, _ := l.opts.Env(variable)
		if text == "" {
			return 0, false
		}
		v, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			l.errs.Add(Place{}.Errorf("the variable %s wants a port from 0 to 65535; found %q: correct or unset it", variable, grammar.Short(text)))
			return 0, false
		}
		return int(v), true
	}
	var sets []func(*Fleet)
	for variable, of := range map[string]func(*Fleet) *int{
		"MUSTER_EDGE_PORT":        func(f *Fleet) *int { return &f.Edge.Port },
		"MUSTER_CONTROL_PORT":     func(f *Fleet) *int { return &f.Control.Port },
		"MUSTER_BROKER_PORT":      func(f *Fleet) *int { return &f.Broker.Port },
		"MUSTER_BROKER_HTTP_PORT": func(f *Fleet) *int { return &f.Broker.HTTP },
	} {
		if v, ok := port(variable); ok {
			sets = append(sets, func(f *Fleet) { *of(f) = v })
		}
	}
	return func(f *Fleet) {
		for _, set := range sets {
			set(f)
		}
	}
}
