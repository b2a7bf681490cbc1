// Package webhook tells others of events by HTTP: partners who have registered an
// endpoint, a URL, get the events of the topics they chose, each at least once.
//
// [Webhooks.Handle], or [Webhooks.Append] in a transaction, writes one row for each
// endpoint and event into the service's own database; [Webhooks.Run] posts them, by all
// replicas together. A post is signed as Standard Webhooks says
// (https://www.standardwebhooks.com), so that the receiver can [Verify] it with any of
// its libraries. It is a CloudEvent in JSON. What fails is tried again for about two
// days, in no order; an endpoint that fails for days, or answers 410, is disabled; and
// what was sent, or given up, may be sent again by a person within thirty days.
//
// The endpoints are other people's, and may lie: only public addresses are dialed (see
// package guard), redirects are not followed, an answer has bounds in bytes and in
// time, and one endpoint that hangs holds neither the others nor the service.
package webhook

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/webhook/guard"
)

//go:embed schema
var schema embed.FS

// Config says how webhooks are sent. Its zero value is safe.
type Config struct {
	Workers     int           // posts at a time of this replica; 0: 64. Endpoints that fail get half of them at most
	PerEndpoint int           // of one endpoint, 1 while it fails; 0: 4
	Timeout     time.Duration // of one post, up to the answer's headers; 0: 15 s

	Retry        bus.Backoff   // zero values: 5 s, 8 h, 20 tries
	RetryAfter   time.Duration // the most that an answer's Retry-After may ask for; 0: 1 h
	DisableAfter time.Duration // an endpoint that has failed for so long is disabled; 0: 5 days
	Keep         time.Duration // how long events are kept to be sent again; 0: 30 days

	Plain bool           // http:// is taken too; without it only https://
	Allow []netip.Prefix // addresses that are dialed though they are not public: 127.0.0.0/8 in tests

	// Disabled is told, in the transaction that does so, that an endpoint was disabled
	// because it failed: to append an event, or a mail. With its error the endpoint stays enabled.
	// It may be nil; the log has it too, as an error.
	Disabled func(ctx context.Context, t tx.Tx, e Endpoint) error

	Log    *slog.Logger         // nil: nothing is logged
	Meters metric.MeterProvider // nil: nothing is counted
}

// Webhooks are the endpoints of one database and what is to be sent to them. Each
// replica of a service makes one; its methods are safe for concurrent use.
type Webhooks struct {
	db      *sql.DB
	c       Config
	dialect tx.Dialect
	now     string // the dialect's expression
	client  *http.Client
	log     *slog.Logger
	took    metric.Float64Histogram
	bell    chan struct{}

	mu  sync.Mutex
	ran bool
}

var errNoDB = errors.New("webhook: the database is nil: open it before")

// Migrate creates the tables muster_webhook_endpoint, _event and _delivery in db or brings
// them up to date. Any number of processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	if db == nil {
		return errNoDB
	}
	return migrate.Own(ctx, db, schema, "muster_webhook_version")
}

// New returns the webhooks of db, which must have the tables of [Migrate].
func New(db *sql.DB, c Config) (*Webhooks, error) {
	if db == nil {
		return nil, errNoDB
	}
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	if c.Workers < 0 || c.PerEndpoint < 0 || c.Timeout < 0 || c.RetryAfter < 0 || c.DisableAfter < 0 || c.Keep < 0 {
		return nil, errors.New("webhook: a number of Config is negative: 0 is the default")
	}
	const (
		workers, perEndpoint = 64, 4
		timeout, retry       = 15 * time.Second, time.Hour
		day                  = 24 * time.Hour
	)
	c.Workers, c.PerEndpoint = max(cmp.Or(c.Workers, workers), 2), cmp.Or(c.PerEndpoint, perEndpoint)
	c.Timeout, c.RetryAfter = cmp.Or(c.Timeout, timeout), cmp.Or(c.RetryAfter, retry)
	c.DisableAfter, c.Keep = cmp.Or(c.DisableAfter, 5*day), cmp.Or(c.Keep, 30*day)
	c.Retry.First, c.Retry.Most, c.Retry.Attempts = cmp.Or(c.Retry.First, 5*time.Second), cmp.Or(c.Retry.Most, 8*time.Hour), cmp.Or(c.Retry.Attempts, 20)
	w := &Webhooks{
		db: db, c: c, dialect: dialect, now: dialect.Now(), client: client(guard.Guard{Allow: c.Allow}, c),
		log: cmp.Or(c.Log, slog.New(slog.DiscardHandler)), took: noopmetric.Float64Histogram{}, bell: make(chan struct{}, 1),
	}
	if c.Meters != nil {
		w.took, err = c.Meters.Meter("github.com/musterdev/muster/webhook").Float64Histogram("muster.webhook.delivery.duration",
			metric.WithUnit("s"), metric.WithDescription("Duration of posting a webhook, by what came of it."))
		if err != nil {
			return nil, fmt.Errorf("webhook: %w", err)
		}
	}
	return w, nil
}

// sql is a statement in which NOW stands for the engine's own time, in milliseconds.
func (w *Webhooks) sql(statement string) string { return strings.ReplaceAll(statement, "NOW", w.now) }

// wake has Run look now.
func (w *Webhooks) wake() {
	select {
	case w.bell <- struct{}{}:
	default: // it has rung
	}
}

func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case migrate.Missing(err, "muster_webhook_endpoint"), migrate.Missing(err, "muster_webhook_event"), migrate.Missing(err, "muster_webhook_delivery"):
		return fmt.Errorf("webhook: the tables muster_webhook_endpoint, _event and _delivery are missing: call webhook.Migrate before: %w", err)
	}
	return fmt.Errorf("webhook: %w", err)
}
