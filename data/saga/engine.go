package saga

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/data/saga/internal/hold"
	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/saga/internal/watch"
	"github.com/musterdev/muster/data/tx"
)

// Lease is how long a saga is its holder's alone after it was claimed, after each
// step and after each beat, by the database's clock; Beat is how often an engine
// extends the leases of all it holds, in one statement.
const (
	Lease = table.Lease
	Beat  = time.Second
)

// Config is how an engine works. Its zero value is usable.
type Config struct {
	Owner   string               // whom the table names as holder: the instance's name; "" is a random one
	Workers int                  // how many sagas it carries on at the same time; 0: 16
	Log     *slog.Logger         // nil discards
	Traces  trace.TracerProvider // nil: steps have no spans, but the trace goes on in what they ask of others
	Meters  metric.MeterProvider // nil: nothing is counted
	// Keep is how long sagas that ended are kept, with their history. While it runs the
	// engine deletes older ones of the names that it knows, every ten minutes, or every
	// Keep where that is shorter. 0: 30 days; negative: for ever. Of several engines on one
	// database that know a name the shortest Keep decides.
	Keep time.Duration
	// Sole says that no two processes of this Owner live at the same time, as their supervisor
	// starts one only after the end of the one before. Then an engine that begins to run takes
	// over at once what the one before held, in place of when its lease has ended. Where that is
	// not so nothing is done twice that would not be otherwise, as the fence decides; but what
	// the other holds is taken from it each time.
	Sole bool
	Hold Hold // when a step at which many sagas fail is held for all
}

// Engine carries on the sagas of one database that its build knows. It is safe for
// concurrent use. Any number of engines work on one database, in any number of
// processes.
type Engine struct {
	db      *sql.DB
	table   *table.Table
	owner   string
	workers int
	log     *slog.Logger
	tracer  trace.Tracer // nil: nobody looks
	meters  watch.Meters
	defs    map[table.Version]*plan.Definition
	known   []table.Version
	heirs   map[table.Version]*plan.Definition // of versions that have no definition of their own any more
	keepFor time.Duration
	sole    bool
	hold    Hold
	holds   hold.View
	wake    chan struct{}
	running atomic.Bool
	active  atomic.Pointer[run] // nil while none is running
}

// New returns an engine for these definitions, each a *Saga that belongs to no other
// engine. It reads all of them and returns everything that is wrong: names that are
// not unique or not well formed, more than one pivot, an Undo that is missing before
// the pivot or is there after it.
func New(db *sql.DB, cfg Config, sagas ...Definition) (*Engine, error) {
	rows, err := table.Of(db)
	if err != nil {
		return nil, err
	}
	if cfg.Workers < 0 {
		return nil, fmt.Errorf("saga: %d workers: give a positive number, or 0 for %d", cfg.Workers, defaultWorkers)
	}
	e := &Engine{
		db: db, table: rows, owner: plan.Clip(cfg.Owner), workers: cfg.Workers, log: cfg.Log,
		defs: map[table.Version]*plan.Definition{}, heirs: map[table.Version]*plan.Definition{}, wake: make(chan struct{}, 1),
		keepFor: cmp.Or(cfg.Keep, table.Keep), sole: cfg.Sole && cfg.Owner != "", hold: cfg.Hold.orDefault(),
	}
	if e.owner == "" {
		e.owner = "engine-" + rand.Text()
	}
	if e.workers == 0 {
		e.workers = defaultWorkers
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Traces != nil {
		e.tracer = cfg.Traces.Tracer(watch.Scope)
	}
	e.meters = watch.NewMeters(cfg.Meters)
	var wrong []error
	for i, s := range sagas {
		if s == nil {
			wrong = append(wrong, fmt.Errorf("saga: definition %d is nil", i+1))
			continue
		}
		d := s.define()
		if err := d.Check(); err != nil {
			wrong = append(wrong, err)
			continue
		}
		v := table.Version{Name: d.Name, Number: d.Version}
		if e.defs[v] != nil {
			wrong = append(wrong, fmt.Errorf("saga: %q version %d is defined twice: give each definition its own name or version", d.Name, d.Version))
		}
		e.defs[v] = d
		e.known = append(e.known, v)
	}
	wrong = append(wrong, e.inherit())
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	for _, s := range sagas {
		if !s.bind(e) {
			d := s.define()
			return nil, fmt.Errorf("saga: %q version %d belongs to another engine: make a Saga of its own for each", d.Name, d.Version)
		}
	}
	return e, nil
}

const defaultWorkers = 16

// Wake has the engine look for work now. Start and Answer call it after the commit
// where the transaction was run by tx.Do; it is needed after other transactions only,
// and there the engine finds the work within a second by itself. It does not block.
func (e *Engine) Wake() {
	select {
	case e.wake <- struct{}{}:
	default: // it is awake
	}
}

// wakeAfter has the engine look for work once the caller's transaction is committed.
func (e *Engine) wakeAfter(ctx context.Context) {
	tx.AfterCommit(ctx, e.Wake) // false: it will look by itself
}
