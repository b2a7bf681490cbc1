// Package parking keeps the messages that a consumer cannot handle now in a table of
// its own database, and behind them the later ones of the same key: so the other keys
// go on, and the order of each key holds. A message that is dead, because no try can
// succeed or too many failed, holds its key until a person has it tried again
// ([Store.Redrive]) or gives it up ([Store.Discard]).
//
// [Store] is the bus.Parking of a service; [Handler] is how operators and the command
// line see and settle what is parked.
package parking

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

//go:embed schema
var schema embed.FS

var errNoDB = errors.New("parking: the database is nil: open it before")

// ErrLost says that a parked message was taken over by another consumer, redriven or
// discarded since it was leased: what became of it is no longer this one's to say.
var ErrLost = errors.New("parking: the message is no longer leased to this consumer")

// Lease is how long a message that is due is its taker's alone, by the database's clock.
const Lease = 4 * time.Second

// Migrate creates the table muster_parked in db or brings it up to date. Any number of
// processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	if db == nil {
		return errNoDB
	}
	return migrate.Own(ctx, db, schema, "muster_parked_version")
}

// Store is the table in one database. It is safe for concurrent use, by any number of
// replicas, and the groups of several services may share it.
type Store struct {
	db      *sql.DB
	dialect tx.Dialect
	now     string // the dialect's expression
}

var (
	_ bus.Parking = (*Store)(nil)
	_ bus.Keeper  = (*Store)(nil)
)

// New returns the store in db, which must have the table of Migrate.
func New(db *sql.DB) (*Store, error) {
	if db == nil {
		return nil, errNoDB
	}
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return nil, fmt.Errorf("parking: %w", err)
	}
	return &Store{db: db, dialect: dialect, now: dialect.Now()}, nil
}

// Held reports whether a message of the key is parked for the group. The key "" is
// never held.
func (s *Store) Held(ctx context.Context, group, key string) (held bool, err error) {
	if key == "" {
		return false, nil
	}
	err = s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM muster_parked WHERE consumer = $1 AND "key" = $2)`, group, key).Scan(&held)
	return held, explain(err)
}

// Park puts a message behind those of its key. One that the group has parked already,
// by its Source and ID, stays as it is. Of p count Msg, Group, Attempts, Error, Next
// (by how far it lies ahead on this host's clock) and Dead.
func (s *Store) Park(ctx context.Context, p bus.Parked) error {
	if p.Group == "" {
		return problem.New(problem.InvalidArgument, "a message is parked for a group; this one has none").WithField("group", "required")
	}
	if err := p.Msg.Validate(); err != nil {
		return err
	}
	attributes, err := json.Marshal(p.Msg.Attributes())
	if err != nil {
		return fmt.Errorf("parking: %w", err)
	}
	var wait int64
	if !p.Next.IsZero() {
		wait = max(0, time.Until(p.Next).Milliseconds())
	}
	data := p.Data
	if data == nil {
		data = []byte{}
	}
	_, err = s.db.ExecContext(ctx, s.sql(`INSERT INTO muster_parked (consumer, source, event, topic, "key", attributes, data, attempts, error, dead, next)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NOW + $11) ON CONFLICT (consumer, source, event) DO NOTHING`),
		p.Group, p.Source, p.ID, p.Topic, p.Key, string(attributes), data, p.Attempts, clean(p.Error), p.Dead, wait)
	return explain(err)
}

// sql writes the clock into a statement.
func (s *Store) sql(query string) string { return strings.ReplaceAll(query, "NOW", s.now) }

// Keep makes the lease of a message that Due returned last for [Lease] from now. It
// returns ErrLost as Settle does.
func (s *Store) Keep(ctx context.Context, p bus.Parked) error {
	r, ok := p.Receipt.(receipt)
	if !ok {
		return notDue(p)
	}
	return leased(s.db.ExecContext(ctx, s.sql(`UPDATE muster_parked SET leased_until = NOW + $1 WHERE id = $2 AND fence = $3`),
		Lease.Milliseconds(), r.id, r.fence))
}

// Settle records what a try of a message that Due returned came to: it leaves, is
// dead, or is tried again after o.After. It returns ErrLost when the message was leased
// again, redriven or discarded meanwhile.
func (s *Store) Settle(ctx context.Context, p bus.Parked, o bus.Outcome) error {
	r, ok := p.Receipt.(receipt)
	if !ok {
		return notDue(p)
	}
	return s.settle(ctx, r, o)
}

func (s *Store) settle(ctx context.Context, r receipt, o bus.Outcome) error {
	if o.Done {
		return leased(s.db.ExecContext(ctx, `DELETE FROM muster_parked WHERE id = $1 AND fence = $2`, r.id, r.fence))
	}
	return leased(s.db.ExecContext(ctx, s.sql(`UPDATE muster_parked SET dead = $1, error = $2, next = NOW + $3, leased_until = 0 WHERE id = $4 AND fence = $5`),
		o.Dead, clean(o.Error), max(0, o.After.Milliseconds()), r.id, r.fence))
}

func leased(res sql.Result, err error) error {
	if err != nil {
		return explain(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return ErrLost
}

func notDue(p bus.Parked) error {
	return fmt.Errorf("parking: the message %s of %s did not come from Due", p.ID, p.Source)
}

func message(attributes string, data []byte) (bus.Msg, error) {
	var all map[string]string
	if err := json.Unmarshal([]byte(attributes), &all); err != nil {
		return bus.Msg{}, fmt.Errorf("parking: the attributes of a message cannot be read: %.60q is not a JSON object of strings", attributes)
	}
	return bus.FromAttributes(all, data)
}

func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case migrate.Missing(err, "muster_parked"):
		return fmt.Errorf("parking: the table muster_parked is missing: call parking.Migrate before: %w", err)
	default:
		return fmt.Errorf("parking: %w", err)
	}
}
