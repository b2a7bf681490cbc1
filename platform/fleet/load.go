package fleet

import (
	"maps"
	"slices"

	"github.com/musterdev/muster/platform/fleet/include"
	"github.com/musterdev/muster/strictyaml"
)

// Options choose how a file is read.
type Options struct {
	Environment string // empty: DefaultEnvironment, which the file need not name

	// Env looks up a process variable, as os.LookupEnv does. With it, templates
	// that name a variable which is not set are errors of Load, and MUSTER_EDGE_PORT
	// and MUSTER_CONTROL_PORT override the file. nil: there are no variables, and
	// Load does not check those of templates.
	Env func(name string) (string, bool)
}

// enough is how many errors are looked for: the most that are shown, and a fair
// impression of how many more there are.
const enough = 200

// Load reads the muster.yaml at path, all that it includes and the environment
// that opts name. All other environments of the file are checked as well. The
// error is an *Errors with the mistakes found.
func Load(path string, opts Options) (*Fleet, error) {
	return load(path, opts, func(path string) ([]byte, error) { return strictyaml.ReadFile(path, MaxFileSize) })
}

func load(path string, opts Options, read func(path string) ([]byte, error)) (*Fleet, error) {
	if opts.Environment == "" {
		opts.Environment = DefaultEnvironment
	}
	l := &loader{
		opts: opts, byName: map[string]*declaration{},
		topics: map[string]bool{}, routes: map[string]Route{}, counts: map[string]int{},
	}
	files := include.Reader{Read: read, Errs: &l.errs, MaxFiles: MaxFiles, MaxDepth: MaxDepth, MaxSize: MaxTotalSize}
	all, whole := files.Files(path)
	l.broken = !whole
	for _, f := range all {
		l.declare(f)
	}
	if l.broken {
		return nil, l.errs.Err()
	}
	for _, check := range l.later {
		if l.errs.Len() > enough {
			break
		}
		check()
	}
	fleet := l.plans()
	if err := l.errs.Err(); err != nil {
		return nil, err
	}
	return fleet, nil
}

// loader collects what the files of a fleet declare.
type loader struct {
	opts   Options
	errs   strictyaml.Collector
	files  []*file                 // by their Index
	byName map[string]*declaration // services
	owners []Owner
	topics map[string]bool  // published, by services or from outside the fleet
	routes map[string]Route // of all services, by host and path
	counts map[string]int   // of what there is a bound for
	broken bool             // names may be missing, as a file or a part could not be read: references are not checked
	later  []func()         // checks that need to know all files
}

// file is what one muster.yaml declares.
type file struct {
	*include.File
	settings     []func(*Fleet) // honoured in the first file only
	services     []*declaration
	environments map[string]*overlay
	at           map[string]Place // of its top-level keys; "" is the start
}

// declaration is a service as a file declares it: what is to be set on a service
// that holds the defaults.
type declaration struct {
	name     string
	place    Place
	file     *file
	settings []func(*draft)
}

// overlay is what a file's environment changes.
type overlay struct {
	fleet    []func(*Fleet)            // honoured in the first file only
	general  []func(*draft)            // on every service of the file and of those it includes
	services map[string][]func(*draft) // on one of them; wins over general
}

// suggestService ends a message about an unknown service.
func (l *loader) suggestService(name string) string {
	return strictyaml.SuggestOrList(name, slices.Collect(maps.Keys(l.byName)), "services")
}

// environmentNames returns the names of all environments.
func (l *loader) environmentNames() []string {
	names := map[string]bool{}
	for _, f := range l.files {
		for name := range f.environments {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// bounded counts what the fleet has of a kind and reports whether there is still
// room; n is where the latest count of them stands.
func (l *loader) bounded(n *strictyaml.Node, what string, count, most int) bool {
	before := l.counts[what]
	l.counts[what] += count
	if before <= most && l.counts[what] > most {
		n.Errorf("the fleet has more than %d %s; make several fleets", most, what)
	}
	l.broken = l.broken || l.counts[what] > most
	return l.counts[what] <= most
}
