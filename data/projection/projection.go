// Package projection keeps read models: tables that are made of events, so that a question
// can be answered without asking those whose events they are.
//
// An event has its effect once: the handler's transaction begins with a note of the event, as
// in package inbox. A read model is thrown away and made anew rather than mended: its tables carry the number
// of the build in their names, a new build begins with the oldest event that the broker has, grows beside the
// one that is read, and takes its place in one transaction, once it has all that the other has. Readers are told
// in their own transaction which one to read, and see one or the other, never some of both.
//
// What cannot be complete never takes the place of what is: an event that the broker has dropped meanwhile is
// noticed, because the build that is read has a note of it and the new one has not.
//
// The notes are kept as long as their build: one row for each event, which is what the comparison and
// [Projection.WaitFor] live on.
package projection

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/tx"
)

// Grace is how long the tables of a build stay after another took its place and nobody reads it any more,
// where Config does not say.
const Grace = time.Minute

// leastGrace is a few of the looks in which a replica says what it uses.
const leastGrace = 4 * look

// Config says what a projection is. Its zero value lacks DB, Broker, Name, Build, Tables and Schema.
type Config struct {
	DB     *sql.DB    // with the tables of Migrate; the read model is in it
	Broker bus.Broker // not closed by the projection
	// Name is that of the read model in this database, and the beginning of its groups at the broker, so that it is
	// one of the whole fleet: search, then search-b3, search-b3-2. 1 to 40 of a-z, 0-9 and -, a letter first.
	Name string
	// Build is the version of the code that makes it, from 1 to 999999: raise it with each change of the tables or
	// of what is written to them, and a new build is made. Replicas of two versions do not harm each other.
	Build int
	// Tables are the names, without suffix, of all tables that Schema makes; they are dropped, the last one first.
	// At most 30 characters of a-z, 0-9 and _, a letter first.
	Tables []string
	// Schema makes the tables of a build, and their indexes, under the names of View.Name. It must not commit.
	Schema func(ctx context.Context, t tx.Tx, v View) error
	// Complete is asked before a build is to be read; its error keeps it from that. It is for what only the sources know,
	// such as how many orders there are. nil: nothing is asked.
	Complete func(ctx context.Context, t tx.Tx, v View) error

	Parking bus.Parking   // of messages that fail; see bus.Consumer
	Retry   bus.Backoff   // see bus.Consumer
	Workers int           // handlers at a time, of each build; 0: 16
	Grace   time.Duration // 0: Grace; at least 2 s
	Owner   string        // the instance, as the lease shows it; "" becomes a random name
	Log     *slog.Logger  // nil: nowhere
	Traces  trace.TracerProvider
	Meters  metric.MeterProvider
}

// View is a build as handlers, readers and Schema are given it.
type View struct {
	Build  int    // of the code that makes it: a reader of new code may be given the tables of the old one
	Suffix string // of its tables: "_b3"
}

// Name returns the name of one of its tables: orders_b3 for orders.
func (v View) Name(table string) string { return table + v.Suffix }

// Projection is one version of the code of a read model. Register its handlers by [On], then call Run. Its methods are
// safe for concurrent use.
type Projection struct {
	Config
	dialect tx.Dialect
	log     *slog.Logger

	mu      sync.Mutex
	started bool
	routes  []route
	members map[string]*member // consumers of builds, by their label, while they run
	lags    map[string]bus.Lag // as last seen
	change  chan struct{}      // closed when something was applied here, or swapped
	bell    chan struct{}      // Run is to look now
}

type route struct {
	topic   string
	handler func(v View, label string) bus.Handler
}

var (
	names  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,38}[a-z0-9]$|^[a-z]$`) //nolint:gochecknoglobals // a constant
	tables = regexp.MustCompile(`^[a-z][a-z0-9_]{0,29}$`)                 //nolint:gochecknoglobals // a constant
)

// New checks the configuration; nothing is made and nobody is asked before Run.
func New(c Config) (*Projection, error) {
	if c.DB == nil {
		return nil, errNoDB
	}
	dialect, err := tx.DialectOf(c.DB)
	switch {
	case err != nil:
		return nil, fmt.Errorf("projection: %w", err)
	case c.Broker == nil:
		return nil, errors.New("projection: it has no Broker")
	case !names.MatchString(c.Name):
		return nil, fmt.Errorf("projection: the name %.60q: use 1 to 40 of a-z, 0-9 and -, a letter first", c.Name)
	case c.Build < 1 || c.Build > 999999:
		return nil, fmt.Errorf("projection: %s has the build %d: number the versions of its code from 1 to 999999", c.Name, c.Build)
	case len(c.Tables) == 0 || c.Schema == nil:
		return nil, fmt.Errorf("projection: %s has no tables: name them in Tables and make them in Schema", c.Name)
	}
	for _, t := range c.Tables {
		if !tables.MatchString(t) || strings.HasPrefix(t, "muster_") {
			return nil, fmt.Errorf("projection: the table %.60q of %s: use at most 30 of a-z, 0-9 and _, a letter first, and not muster_", t, c.Name)
		}
	}
	c.Grace, c.Owner = max(cmp.Or(max(c.Grace, 0), Grace), leastGrace), cmp.Or(c.Owner, rand.Text())
	log := cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	return &Projection{
		Config: c, dialect: dialect, log: log.With("projection", c.Name, "code", c.Build),
		members: map[string]*member{}, lags: map[string]bus.Lag{}, change: make(chan struct{}), bell: make(chan struct{}, 1),
	}, nil
}

// On has fn run once for each event of a topic, in the transaction of its note; what fn does it must do through t,
// on the tables of v. A pattern takes no part: each topic has its handler. Errors and events that cannot be decoded are the
// Consumer's: tried again, parked, in the end dead; a build with such an event does not take the place of one that
// has it. On fails for a topic that has a handler, and after Run.
func On[T any](p *Projection, topic bus.Topic[T], fn func(ctx context.Context, t tx.Tx, v View, event T) error) error {
	if err := bus.ValidTopic(topic.Name); err != nil {
		return err
	}
	if fn == nil {
		return fmt.Errorf("projection: the handler of %s is nil", topic.Name)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started {
		return fmt.Errorf("projection: %s runs already: say what it handles (%s) before", p.Name, topic.Name)
	}
	if p.handles(topic.Name) {
		return fmt.Errorf("projection: %s has a handler of %s already", p.Name, topic.Name)
	}
	p.routes = append(p.routes, route{topic.Name, func(v View, label string) bus.Handler {
		return func(ctx context.Context, d bus.Delivery) error {
			return p.applied(ctx, label, d, func(ctx context.Context) error {
				event, err := topic.Decode(d.Msg)
				if err != nil {
					return bus.Final(err)
				}
				return p.apply(ctx, label, d, func(ctx context.Context, t tx.Tx) error { return fn(ctx, t, v, event) })
			})
		}
	}})
	return nil
}

func (p *Projection) handles(topic string) bool {
	for _, r := range p.routes {
		if r.topic == topic {
			return true
		}
	}
	return false
}
