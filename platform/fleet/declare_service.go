package fleet

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/fleet/calls"
	"github.com/musterdev/muster/platform/fleet/expand"
	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/strictyaml"
)

// Bounds of a service's settings.
const (
	maxWeight = 1000
	maxGrace  = 10 * time.Minute
)

// reader reads the settings of one service, or of all services of an environment.
type reader struct {
	*loader
	file    *file
	service string
	add     func(func(*draft))
}

// set adds a setting and remembers where it was said.
func (r *reader) set(key string, n *strictyaml.Node, apply func(*draft)) {
	r.add(func(s *draft) {
		s.places[key] = n.Place
		apply(s)
	})
}

// fields returns the keys of a service.
func (r *reader) fields() strictyaml.Fields {
	f := r.overlayFields()
	maps.Copy(f, strictyaml.Fields{
		"run": r.run, "build": r.build, "dir": r.pathTo("dir", "a folder", func(s *draft, v string) { s.Dir = v }),
		"owner": r.owner, "route": r.route, "publishes": r.publishes, "on": r.on, "watch": r.watch,
		"ready": r.probe("ready", func(s *draft) *Probe { return &s.Ready }),
		"live":  r.probe("live", func(s *draft) *Probe { return &s.Live }),
		"metrics": func(n *strictyaml.Node) {
			if v, ok := reading.Text(n, "a path", grammar.Path); ok {
				r.set("metrics", n, func(s *draft) { s.Metrics = v })
			}
		},
		"calls": func(n *strictyaml.Node) {
			if v, ok := calls.Read(n); ok {
				r.set("calls", n, func(s *draft) { s.Calls = v })
			}
		},
		"speaks": func(n *strictyaml.Node) {
			if v, ok := reading.Text(n, "http or tcp", reading.OneOf("protocols", "http", "tcp")); ok {
				r.set("speaks", n, func(s *draft) { s.TCP = v == "tcp" })
			}
		},
		"port":      r.number("port", 1, 65535, func(s *draft, v int) { s.Port = v }),
		"grpc_port": r.number("grpc_port", 1, 65535, func(s *draft, v int) { s.GRPCPort = v }),
		"stop_grace": func(n *strictyaml.Node) {
			if v, ok := n.Duration(0, maxGrace); ok {
				r.set("stop_grace", n, func(s *draft) { s.StopGrace = v })
			}
		},
	})
	return f
}

// overlayFields returns the keys of a service that an environment may change.
func (r *reader) overlayFields() strictyaml.Fields {
	return strictyaml.Fields{
		"replicas": r.replicas, "database": r.database, "env": r.env, "secrets": r.secrets,
		"config":  r.pathTo("config", "a file", func(s *draft, v string) { s.Config = v }),
		"version": r.word("version", func(s *draft, v string) { s.Version = v }),
		"zone":    r.word("zone", func(s *draft, v string) { s.Zone = v }),
		"weight":  r.number("weight", 1, maxWeight, func(s *draft, v int) { s.Weight = v }),
	}
}

func (r *reader) number(key string, low, high int, apply func(*draft, int)) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		if v, ok := n.Int(low, high); ok {
			r.set(key, n, func(s *draft) { apply(s, v) })
		}
	}
}

func (r *reader) word(key string, apply func(*draft, string)) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		if v, ok := reading.Text(n, "a text in quotes", grammar.Word); ok {
			r.set(key, n, func(s *draft) { apply(s, v) })
		}
	}
}

func (r *reader) pathTo(key, what string, apply func(*draft, string)) func(*strictyaml.Node) {
	return func(n *strictyaml.Node) {
		if v, ok := r.path(n, what); ok {
			r.set(key, n, func(s *draft) { apply(s, v) })
		}
	}
}

// path reads a path relative to the file and returns it absolute.
func (r *reader) path(n *strictyaml.Node, what string) (string, bool) {
	v, ok := reading.Text(n, what, grammar.File)
	if !ok {
		return "", false
	}
	v = filepath.FromSlash(v)
	if !filepath.IsAbs(v) {
		v = filepath.Join(filepath.Dir(r.file.Abs), v)
	}
	return filepath.Clean(v), true
}

func (r *reader) replicas(n *strictyaml.Node) {
	r.number("replicas", 0, MaxReplicas, func(s *draft, v int) { s.Replicas = v })(n)
}

func (r *reader) run(n *strictyaml.Node) {
	words, ok := reading.Command(n)
	for _, w := range words {
		ok = ok && r.references(n, w)
	}
	if ok {
		flags, pkg := grammar.GoRun(words)
		r.set("run", n, func(s *draft) { s.Run, s.GoFlags, s.GoPackage = words, flags, pkg })
	}
}

func (r *reader) build(n *strictyaml.Node) {
	words, ok := reading.Command(n)
	if !ok {
		return
	}
	plain := make([]string, len(words))
	for i, w := range words {
		t, err := expand.Parse(w)
		if err == nil {
			plain[i], err = t.Expand(func(string) (string, bool) { return "", false })
		}
		if err != nil {
			n.Errorf("build belongs to no instance and cannot use ${…}; write $$ for one $, or move it to run")
			return
		}
	}
	r.set("build", n, func(s *draft) { s.Build = plain })
}

func (r *reader) owner(n *strictyaml.Node) {
	v, ok := n.Text("the name of an owner")
	if !ok {
		return
	}
	r.set("owner", n, func(s *draft) { s.Owner = v })
	r.later = append(r.later, func() {
		names := make([]string, len(r.owners))
		for i, o := range r.owners {
			names[i] = o.Name
		}
		if !slices.Contains(names, v) {
			n.Errorf("unknown owner %q%s", grammar.Short(v), strictyaml.SuggestOrList(v, names, "owners"))
		}
	})
}

// env reads variables; those of an overlay are added to the service's own.
func (r *reader) env(n *strictyaml.Node) {
	for _, p := range n.Each("variable names to values") {
		if !reading.Key(p, grammar.Variable) {
			continue
		}
		if p.Name == "PORT" || p.Name == "GRPC_PORT" || strings.HasPrefix(p.Name, "MUSTER_") {
			p.Errorf("%s is set by Muster; to tell it under another name write NAME: ${%[1]s}", grammar.Short(p.Name))
			continue
		}
		v, ok := p.Value.Word("a value, or \"\" for an empty one")
		if !ok || !r.references(p.Value, v) {
			continue
		}
		r.set("env."+p.Name, p.Value, func(s *draft) {
			if s.Env == nil {
				s.Env = map[string]string{}
			}
			s.Env[p.Name] = v
		})
	}
}

func (r *reader) secrets(n *strictyaml.Node) {
	for _, p := range n.Each("variable names to files") {
		if !reading.Key(p, grammar.Variable) {
			continue
		}
		if v, ok := r.path(p.Value, "a file that holds the secret"); ok {
			r.set("secrets."+p.Name, p.Value, func(s *draft) {
				if s.Secrets == nil {
					s.Secrets = map[string]string{}
				}
				s.Secrets[p.Name] = v
			})
		}
	}
}

func (r *reader) watch(n *strictyaml.Node) {
	globs := []string{} // not nil: an empty list says "never"
	for _, item := range n.OneOrMore() {
		if g, ok := reading.Text(item, "a glob, such as \"**/*.js\", or a list of globs", grammar.Glob); ok {
			globs = append(globs, g)
		}
	}
	r.set("watch", n, func(s *draft) { s.Watch = globs })
}

// database reads a service's database: true is what the environment says, SQLite
// if it says nothing.
func (r *reader) database(n *strictyaml.Node) {
	if n.IsBool() {
		d := Database{}
		if yes, _ := n.Bool(); yes {
			d.Engine = SQLite
		}
		r.set("database", n, func(s *draft) { s.Database, s.fixed = d, false })
		return
	}
	if d, ok := r.engineOrURL(n, "true, false, an engine or a URL", "write true, "); ok {
		r.set("database", n, func(s *draft) { s.Database, s.fixed = d, true })
	}
}

// commonDatabase reads the database of all services of an environment.
func (r *reader) commonDatabase(n *strictyaml.Node) {
	if d, ok := r.engineOrURL(n, "an engine or a URL", "write "); ok {
		r.add(func(s *draft) { s.common, s.commonPlace = d, n.Place })
	}
}

func (r *reader) engineOrURL(n *strictyaml.Node, what, write string) (Database, bool) {
	v, ok := n.Text(what)
	if !ok {
		return Database{}, false
	}
	engine, url, err := grammar.Database(v)
	if err != nil {
		hint := strictyaml.Suggest(v, grammar.Engines)
		if hint == "" {
			hint = "; " + write + err.Error()
		}
		n.Errorf("%q is no database%s", grammar.Short(v), hint)
		return Database{}, false
	}
	return Database{Engine: engine, URL: url}, r.references(n, url)
}
