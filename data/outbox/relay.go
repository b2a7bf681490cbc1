package outbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// How the relay works.
const (
	Batch   = 256     // the most messages of one Publish
	maxData = 4 << 20 // bytes of data after which a batch takes no more
	busy    = 20 * time.Millisecond
	idle    = time.Second
	parting = 2 * time.Second // for recording what was published when the context has ended
)

// Relay publishes what was appended to the outbox of a database and deletes it. Each
// replica of a service runs one; a lease lets one of them work at a time, and when it
// crashes the next takes over within lease.Length.
//
// It publishes in the order of the table, [Batch] messages at most at once, and deletes
// in a transaction that checks the lease's fence. While the broker is away the messages
// stay. A message that the broker refuses for good (invalid_argument, too_large) stays
// too, marked with the error, and holds back the later ones of its key, until [Retry]
// or [Discard]; other keys go on.
//
// The fields must not change once Run was called. Its methods are safe for concurrent
// use.
type Relay struct {
	DB        *sql.DB // with the tables of Migrate
	Publisher bus.Publisher
	Source    string        // of messages that have none: "/orders"
	Owner     string        // the instance, as the lease shows it; "" becomes a random name
	Idle      time.Duration // the longest pause between two looks into the table; 0: 1 s
	Log       *slog.Logger  // nil: nothing is logged
	// Sole says that no two processes of this Owner live at the same time: then Run takes over
	// at once from the one before. See [lease.Bury].
	Sole bool

	// Stream has what is appended leave by the database's log instead of the table; nil: by the
	// table. It is for PostgreSQL. See [Leave] for the way back.
	Stream Stream
	Meters metric.MeterProvider // of what waits in the log; nil: nowhere

	once sync.Once
	bell chan struct{}
}

// Wake has the relay look into the table now. It never blocks, and many calls come to
// one look. A relay that is waiting for the lease is not woken: then the other one
// finds the messages when it looks, within Idle.
func (r *Relay) Wake() {
	select {
	case r.rung() <- struct{}{}:
	default: // it has rung
	}
}

func (r *Relay) rung() chan struct{} {
	r.once.Do(func() { r.bell = make(chan struct{}, 1) })
	return r.bell
}

// Run relays until ctx ends, and returns nil then. A batch that has been published is
// deleted before. Failures of the database are logged and tried again; an error is
// returned for what no further try can mend: a missing field or table.
func (r *Relay) Run(ctx context.Context) error {
	switch {
	case r.DB == nil:
		return errNoDB
	case r.Publisher == nil:
		return errors.New("outbox: the relay has no Publisher")
	case r.Source == "":
		return errors.New("outbox: the relay has no Source: name who publishes, such as /orders")
	}
	if err := (bus.Msg{ID: "1", Source: r.Source, Topic: "a.b"}).Validate(); err != nil { // else every message would seem malformed
		return fmt.Errorf("outbox: the relay's Source %q cannot be that of a message: %w", r.Source, err)
	}
	dialect, err := tx.DialectOf(r.DB)
	if err != nil {
		return err
	}
	if err := r.way(ctx, dialect); err != nil {
		return err
	}
	run := &running{Relay: r, dialect: dialect, log: cmp.Or(r.Log, slog.New(slog.DiscardHandler)), idle: cmp.Or(r.Idle, idle)}
	owner := cmp.Or(r.Owner, rand.Text())
	work := run.relay
	if r.Stream != nil {
		work = run.relayLog
		end, err := run.measure()
		if err != nil {
			return err
		}
		defer end()
	}
	if r.Sole {
		if err := lease.Bury(ctx, r.DB, leaseName, owner); err != nil && ctx.Err() == nil && !migrate.Missing(err, "muster_") {
			run.log.WarnContext(ctx, "the lease of the relay before could not be ended; it will by itself", "error", err)
		}
	}
	for ctx.Err() == nil {
		err := lease.Run(ctx, r.DB, leaseName, owner, work)
		switch {
		case ctx.Err() != nil:
		case migrate.Missing(err, "muster_"), setup(err):
			return err
		default:
			run.log.ErrorContext(ctx, "the outbox's relay failed and will go on", "error", err, "in", run.idle)
			run.pause(ctx, run.idle, nil)
		}
	}
	return nil
}

const leaseName = "outbox"

// way refuses a relay that would not see what is appended.
func (r *Relay) way(ctx context.Context, dialect tx.Dialect) error {
	if dialect != tx.Postgres {
		if r.Stream != nil {
			return fmt.Errorf("outbox: the relay has a Stream and the database is %s: the log is read of PostgreSQL only, leave Stream out", dialect)
		}
		return nil
	}
	if r.Stream != nil {
		return nil
	}
	_, there, err := entryOf(ctx, r.DB)
	switch {
	case migrate.Missing(err, "muster_"):
		return err
	case err == nil && there:
		return errors.New("outbox: the events of this database leave by its log, which a relay without a Stream does not read: give it one " +
			"(drivers/postgres/logical), or go back to the table by outbox.Leave")
	default:
		return nil // the database's failures are met again, and borne
	}
}

func setup(err error) bool {
	_, ok := errors.AsType[*SetupError](err)
	return ok
}

// running is a relay at work.
type running struct {
	*Relay
	dialect tx.Dialect
	log     *slog.Logger
	idle    time.Duration
}

// relay publishes batch after batch while it holds the lease.
func (r *running) relay(ctx context.Context, h lease.Held) error {
	for pause := busy; ; pause = min(2*pause, r.idle) {
		moved, failed, err := r.pass(ctx, h)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		bell := r.rung()
		if failed != nil {
			r.away(ctx, failed, pause)
			bell = nil // more messages do not mend it
		} else if moved > 0 {
			pause = busy
			if moved == Batch {
				continue
			}
		}
		if !r.pause(ctx, pause, bell) {
			return context.Cause(ctx)
		}
	}
}

const refusal = "the broker refused an event for good; it holds its key until it is retried or discarded"

func (r *running) away(ctx context.Context, failed error, in time.Duration) {
	r.log.WarnContext(ctx, "the broker does not take events, they are kept and will be tried again", "error", failed, "in", in)
}

// pause waits for so long, or for the bell, and returns false when ctx ends.
func (r *running) pause(ctx context.Context, d time.Duration, bell <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-bell:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// pass publishes one batch. moved counts the messages that are done with; failed is
// the first error that another try may mend.
func (r *running) pass(ctx context.Context, h lease.Held) (moved int, failed, err error) {
	rows, err := r.next(ctx)
	if err != nil || len(rows) == 0 {
		return 0, nil, err
	}
	msgs := make([]bus.Msg, 0, len(rows))
	for _, row := range rows {
		if row.refused == "" {
			msgs = append(msgs, row.Msg)
		}
	}
	var results []bus.Result
	if len(msgs) > 0 {
		results = r.Publisher.Publish(ctx, msgs)
	}
	if len(results) != len(msgs) {
		return 0, fmt.Errorf("outbox: the publisher returned %d results for %d messages", len(results), len(msgs)), nil
	}
	gone, refused, failed := judge(rows, results)
	if len(gone)+len(refused) == 0 {
		return 0, failed, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(parting, lease.Length)) // what was published is deleted, come what may
	defer cancel()
	err = tx.Do(ctx, r.DB, func(ctx context.Context, t *sql.Tx) error {
		if err := h.Check(ctx, t); err != nil {
			return err
		}
		return r.settle(ctx, t, gone, refused)
	})
	if err != nil {
		return 0, nil, err
	}
	for _, row := range refused {
		r.log.ErrorContext(withTrace(ctx, row.Msg), refusal,
			"id", row.id, "event", row.ID, "topic", row.Topic, "key", row.Key, "error", row.refused)
	}
	if len(refused) > 0 && (errors.Is(failed, bus.ErrBatch) || errors.Is(failed, bus.ErrBehind)) {
		failed = nil // the others were refused with those, and will be tried without them
	}
	return len(gone) + len(refused), failed, nil
}

// judge tells what becomes of the rows of a batch. Behind a refused one nothing more of
// its key is marked: what was said of it may be said only because of the first.
func judge(rows []row, results []bus.Result) (gone []int64, refused []row, failed error) {
	held := map[string]bool{}
	for _, row := range rows {
		var err error
		if row.refused == "" {
			err, results = results[0].Err, results[1:]
		}
		switch {
		case row.refused == "" && err == nil:
			gone = append(gone, row.id)
		case held[row.Key]:
		case row.refused != "" || forGood(err):
			if row.refused == "" {
				row.refused = err.Error()
			}
			refused = append(refused, row)
			held[row.Key] = row.Key != ""
		case failed == nil:
			failed = err
		}
	}
	return gone, refused, failed
}

// forGood reports whether no further try can succeed.
func forGood(err error) bool {
	switch problem.CodeOf(err) {
	case problem.InvalidArgument, problem.TooLarge:
		return true
	default:
		return false
	}
}
