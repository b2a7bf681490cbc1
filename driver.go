package muster

import (
	"context"
	"database/sql"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/musterdev/muster/auth"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/mtls"
	"github.com/musterdev/muster/observe"
)

// Driver is an engine's client passed by value to Main. What it can do it shows by
// further interfaces: [DatabaseDriver], [observe.Exporter].
type Driver interface {
	Name() string
}

// DatabaseDriver opens databases by URL.
type DatabaseDriver interface {
	Driver
	Schemes() []string // of DATABASE_URL: "sqlite", "postgres"
	// Open returns a pool that works, or an error that says what is wrong and where.
	Open(ctx context.Context, url string) (*sql.DB, error)
}

// Option changes how services run.
type Option func(*options)

type options struct {
	drivers   []Driver
	lookup    func(name string) (string, bool)
	log       io.Writer
	tls       mtls.Source
	tokens    auth.Source
	guard     auth.Guard
	admission admission.Config
	ready     func(service string, s Settings)
	crash     *crash.Plan // nil: nothing is counted

	crashByEnv bool
}

func newOptions(opts []Option) *options {
	o := &options{lookup: os.LookupEnv, log: os.Stderr, tls: mtls.Plain{}, tokens: auth.Open{}, guard: auth.Open{}}
	for _, opt := range opts {
		opt(o)
	}
	return o
}

// With adds drivers.
func With(drivers ...Driver) Option {
	return func(o *options) { o.drivers = append(o.drivers, drivers...) }
}

// Environment replaces the process's environment as the source of settings.
func Environment(lookup func(name string) (value string, ok bool)) Option {
	return func(o *options) { o.lookup = lookup }
}

// LogTo sends log records, as JSON lines, to w instead of standard error.
func LogTo(w io.Writer) Option { return func(o *options) { o.log = w } }

// TLS sets where certificates come from.
func TLS(s mtls.Source) Option { return func(o *options) { o.tls = s } }

// Tokens sets where the tokens of outgoing calls come from and who judges those of
// incoming ones.
func Tokens(s auth.Source, g auth.Guard) Option {
	return func(o *options) { o.tokens, o.guard = s, g }
}

// Admission sets how a service keeps from taking more than it can do; without it the
// defaults of package admission hold, which turn nobody away while it keeps up.
func Admission(cfg admission.Config) Option {
	return func(o *options) { o.admission = cfg }
}

// OnReady is called once a service serves, with the settings it serves by: ports
// that were left open are filled in. It must not block.
func OnReady(fn func(service string, s Settings)) Option {
	return func(o *options) { o.ready = fn }
}

func (o *options) database(url string) (DatabaseDriver, error) {
	scheme, _, ok := strings.Cut(url, ":")
	if !ok || scheme == "" {
		return nil, configErrorf("DATABASE_URL has no scheme: write sqlite:FILE or postgres://USER@HOST/NAME")
	}
	var known []string
	for _, d := range o.drivers {
		if db, ok := d.(DatabaseDriver); ok {
			if slices.Contains(db.Schemes(), scheme) {
				return db, nil
			}
			known = append(known, db.Schemes()...)
		}
	}
	if len(known) == 0 {
		return nil, configErrorf("DATABASE_URL is set to %s:… but the service was built without a database driver: pass one to muster.With", scheme)
	}
	return nil, configErrorf("DATABASE_URL has the scheme %q; the drivers passed to muster.With know %s", scheme, strings.Join(known, ", "))
}

func (o *options) exporter() observe.Exporter {
	for _, d := range o.drivers {
		if e, ok := d.(observe.Exporter); ok {
			return e
		}
	}
	return nil
}
