package fleet

import (
	"errors"
	"maps"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/fleet/expand"
	"github.com/musterdev/muster/platform/fleet/grammar"
)

// Instance is what is known of one copy of a service that is about to start.
type Instance struct {
	ID          string             // MUSTER_INSTANCE, unique in the fleet
	Port        int                // PORT; 0: none given
	GRPCPort    int                // GRPC_PORT; 0: none given
	Version     string             // MUSTER_VERSION; empty: the service's
	Zone        string             // MUSTER_ZONE; empty: the service's
	RegistryURL string             // MUSTER_REGISTRY_URL; empty: not told
	BusURL      string             // MUSTER_BUS_URL; empty: the fleet's Bus, or not told
	EventsURL   string             // MUSTER_EVENTS_URL; empty: not told
	Telemetry   string             // OTEL_EXPORTER_OTLP_ENDPOINT; empty: the fleet's Telemetry, or not told
	Dir         string             // folder that holds .muster; empty: the fleet's
	Peers       map[string]Address // of the services that templates refer to, by name
}

// Address is where a service is reached by those that cannot ask the registry.
type Address struct {
	Host     string
	Port     int // HTTP; 0: none
	GRPCPort int // gRPC; 0: none
}

// Environment returns the variables that one instance of s is told: those that
// Muster gives every service, and the service's own with their templates filled
// in. Variables of this process are not among them. The error, an *Error, names
// the place of a template that refers to what has no value.
func (f *Fleet) Environment(s Service, in Instance) (map[string]string, error) {
	env, err := f.given(s, in)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(env)
	lookup := f.values(s, env, in.Peers)
	for _, t := range s.templates() {
		name, ok := strings.CutPrefix(t.key, "env.")
		if !ok {
			continue
		}
		v, err := t.expand(lookup)
		if err != nil {
			return nil, err
		}
		all[name] = v
	}
	return all, nil
}

// Command returns the words that start one instance of s, templates filled in.
// binary is the program built from s.GoPackage, and stands for `go run` and the
// package; a service without GoPackage has no use for it.
func (f *Fleet) Command(s Service, in Instance, binary string) ([]string, error) {
	env, err := f.given(s, in)
	if err != nil {
		return nil, err
	}
	lookup := f.values(s, env, in.Peers)
	var words []string
	for _, t := range s.templates() {
		if t.key != "run" {
			continue
		}
		w, err := t.expand(lookup)
		if err != nil {
			return nil, err
		}
		words = append(words, w)
	}
	if s.GoPackage != "" {
		words = append([]string{binary}, words[len(s.GoFlags)+3:]...) // go, run, flags, package
	}
	return words, nil
}

// given returns the variables that Muster gives an instance.
func (f *Fleet) given(s Service, in Instance) (map[string]string, error) {
	or := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	env := map[string]string{
		"MUSTER_SERVICE":    s.Name,
		"MUSTER_INSTANCE":   in.ID,
		"MUSTER_VERSION":    or(in.Version, s.Version),
		"MUSTER_ZONE":       or(in.Zone, s.Zone),
		"OTEL_SERVICE_NAME": s.Name,
	}
	env["OTEL_RESOURCE_ATTRIBUTES"] = "service.namespace=" + f.Name +
		",service.version=" + env["MUSTER_VERSION"] +
		",service.instance.id=" + url.PathEscape(in.ID) +
		",deployment.environment.name=" + f.EnvironmentName
	if in.Port != 0 {
		env["PORT"] = strconv.Itoa(in.Port)
	}
	if in.GRPCPort != 0 {
		env["GRPC_PORT"] = strconv.Itoa(in.GRPCPort)
	}
	if s.Weight != DefaultWeight {
		env["MUSTER_WEIGHT"] = strconv.Itoa(s.Weight)
	}
	if in.RegistryURL != "" {
		env["MUSTER_REGISTRY_URL"] = in.RegistryURL
	}
	if in.EventsURL != "" {
		env["MUSTER_EVENTS_URL"] = in.EventsURL
	}
	if s.Config != "" {
		env["MUSTER_CONFIG"] = s.Config
	}
	for name, file := range s.Secrets {
		env[name+"_FILE"] = file
	}
	for _, t := range []struct {
		name, value string
		template    template
	}{
		{"MUSTER_BUS_URL", in.BusURL, template{"bus", f.Bus, f.places["bus"]}},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", in.Telemetry, template{"telemetry", f.Telemetry.Endpoint, f.places["telemetry"]}},
	} {
		if t.value == "" && t.template.text != "" {
			v, err := t.template.expand(f.values(s, env, in.Peers))
			if err != nil {
				return nil, err
			}
			t.value = v
		}
		if t.value != "" {
			env[t.name] = t.value
		}
	}
	return env, f.database(s, in, env)
}

// BusURL returns the URL of the outside broker with its references filled in; "" when the
// fleet has its own. The error, an *Error, names its place.
func (f *Fleet) BusURL(peers map[string]Address) (string, error) {
	v, err := template{"bus", f.Bus, f.places["bus"]}.expand(f.values(Service{}, nil, peers))
	if err != nil {
		return "", err
	}
	return v, nil
}

// database adds DATABASE_URL to the variables of an instance.
func (f *Fleet) database(s Service, in Instance, env map[string]string) error {
	switch d := s.Database; {
	case d.Engine == "":
	case d.URL != "":
		v, err := template{"database", d.URL, s.Place("database")}.expand(f.values(s, env, in.Peers))
		if err != nil {
			return err
		}
		env["DATABASE_URL"] = v
	case d.Engine == SQLite:
		dir := in.Dir
		if dir == "" {
			dir = f.Dir
		}
		env["DATABASE_URL"] = "sqlite:" + filepath.ToSlash(filepath.Join(dir, ".muster", "data", s.Name+".db"))
	default:
		v := ""
		if f.lookup != nil {
			v, _ = f.lookup(s.URLVariable())
		}
		if v == "" {
			return s.noURL()
		}
		env["DATABASE_URL"] = v
	}
	return nil
}

// noURL says that only the engine of a database is known.
func (s Service) noURL() *Error {
	return s.Place("database").Errorf("the URL of %s's %s database is not known; set the variable %s, or write the URL here",
		s.Name, s.Database.Engine, s.URLVariable())
}

// givenNames returns the names of the variables that Muster gives s. A template
// never takes one of them from this process, which may be a part of another fleet.
func (s Service) givenNames() map[string]bool {
	names := map[string]bool{
		"PORT": true, "GRPC_PORT": true, "DATABASE_URL": s.Database.Engine != "", "MUSTER_CONFIG": s.Config != "",
		"OTEL_SERVICE_NAME": true, "OTEL_RESOURCE_ATTRIBUTES": true, "OTEL_EXPORTER_OTLP_ENDPOINT": true,
	}
	for _, name := range []string{"SERVICE", "INSTANCE", "VERSION", "ZONE", "WEIGHT", "REGISTRY_URL", "BUS_URL", "EVENTS_URL"} {
		names["MUSTER_"+name] = true
	}
	for name := range s.Secrets {
		names[name+"_FILE"] = true
	}
	return names
}

// values returns what the templates of s can refer to.
func (f *Fleet) values(s Service, env map[string]string, peers map[string]Address) func(string) (string, bool) {
	given := s.givenNames()
	return func(name string) (string, bool) {
		if service, attribute, ok := grammar.ServiceReference(name); ok {
			return peers[service].attribute(attribute)
		}
		if v, ok := env[name]; ok || given[name] || f.lookup == nil {
			return v, ok
		}
		return f.lookup(name)
	}
}

// attribute returns what ${services.NAME.attribute} stands for.
func (a Address) attribute(name string) (string, bool) {
	switch name {
	case "host":
		return a.Host, a.Host != ""
	case "port":
		return strconv.Itoa(a.Port), a.Port != 0
	case "url":
		return "http://" + net.JoinHostPort(a.Host, strconv.Itoa(a.Port)), a.Host != "" && a.Port != 0
	case "grpc":
		return net.JoinHostPort(a.Host, strconv.Itoa(a.GRPCPort)), a.Host != "" && a.GRPCPort != 0
	}
	return "", false
}

// template is a text of the file that may hold references.
type template struct {
	key   string
	text  string
	place Place
}

// templates returns all templates of a service: the words of its command in
// order, its variables sorted by name, the URL of its database.
func (s Service) templates() []template {
	var list []template
	for _, w := range s.Run {
		list = append(list, template{"run", w, s.Place("run")})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		key := "env." + name
		list = append(list, template{key, s.Env[name], s.Place(key)})
	}
	if s.Database.URL != "" {
		list = append(list, template{"database", s.Database.URL, s.Place("database")})
	}
	return list
}

// expand fills in a template; the error is nil when all references have values.
func (t template) expand(lookup func(string) (string, bool)) (string, *Error) {
	parsed, err := expand.Parse(t.text)
	if err == nil {
		var v string
		if v, err = parsed.Expand(lookup); err == nil {
			return v, nil
		}
	}
	var unset *expand.UnsetError
	switch {
	case !errors.As(err, &unset):
		return "", t.place.Errorf("%v", err)
	case strings.Contains(unset.Name, "."):
		return "", t.place.Errorf("${%s} has no value: the service is given no such address here", unset.Name)
	}
	return "", t.place.Errorf("variable %s is not set; set it, or give a default: ${%s:-…}", unset.Name, unset.Name)
}
