// Package inbox gives a message its effect once, however often it is delivered: the
// handler's transaction begins by noting the message in a table, and a message that is
// noted already has had its effect.
//
// The note and the effect are committed together or not at all, so there is no moment
// at which a crash leaves one without the other. Effects outside the database, such as
// a call or a mail, are not covered: append an event for them to the outbox, or give
// the call the message's id as its idempotency key.
package inbox

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
)

//go:embed schema
var schema embed.FS

var errNoDB = errors.New("inbox: the database is nil: open it before")

// Migrate creates the table muster_inbox in db or brings it up to date. Any number of
// processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	if db == nil {
		return errNoDB
	}
	return migrate.Own(ctx, db, schema, "muster_inbox_version")
}

// Once returns a handler for the events of one topic that runs fn once for each event:
// in a transaction that is committed when fn returns nil, together with the note of
// the event's Source and ID. A redelivery of a noted event is acknowledged without
// running fn; one that comes while the first is being handled waits for it.
//
// fn must do what it does through its tx; what it does elsewhere may be done again. It
// finds the message by bus.FromContext. Its error rolls everything back and is
// returned; a deadlock or serialization failure is tried again at once, a few times.
// An event that cannot be decoded is a final error (bus.Final).
func Once[T any](db *sql.DB, topic bus.Topic[T], fn func(ctx context.Context, tx tx.Tx, event T) error) bus.Handler {
	return bus.Typed(topic, func(ctx context.Context, d bus.Delivery, event T) error {
		if db == nil {
			return errNoDB
		}
		return tx.Again(ctx, db, func(ctx context.Context, t *sql.Tx) error {
			fresh, err := Insert(ctx, t, d.Group, d.Source, d.ID)
			if err != nil || !fresh {
				return err
			}
			return fn(ctx, t, event)
		})
	})
}

// Insert notes in the caller's transaction that group has handled a message. fresh is
// false when that was noted before: then the message must have no effect. It waits for
// another transaction that is just noting the same message. Call it first, so that of
// two that handle the message at the same time the second does no work.
func Insert(ctx context.Context, t tx.Tx, group, source, id string) (fresh bool, err error) {
	if err := check(group, source, id); err != nil {
		return false, err
	}
	n, err := affected(t.ExecContext(ctx, insert, group, source, id))
	return n == 1, err
}

const insert = `INSERT INTO muster_inbox (consumer, source, id) VALUES ($1, $2, $3) ON CONFLICT (consumer, source, id) DO NOTHING`

func check(group, source, id string) error {
	if group == "" || source == "" || id == "" {
		return fmt.Errorf("inbox: a message is noted by group, source and id; given are %q, %q and %q", group, source, id)
	}
	return nil
}

// Keep is how long Sweep keeps notes unless it is told otherwise. A message that is
// delivered again after that has its effect again.
const Keep = 7 * 24 * time.Hour

// Sweep deletes the notes of messages that were handled longer ago than olderThan, 0
// means [Keep], and returns how many. Call it every few minutes from any replica.
func Sweep(ctx context.Context, db *sql.DB, olderThan time.Duration) (int64, error) {
	const batch = 500 // so that no lock is held for long
	if db == nil {
		return 0, errNoDB
	}
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return 0, err
	}
	if olderThan <= 0 {
		olderThan = Keep
	}
	for total := int64(0); ; {
		n, err := affected(db.ExecContext(ctx, `DELETE FROM muster_inbox WHERE (consumer, source, id) IN
			(SELECT consumer, source, id FROM (SELECT consumer, source, id FROM muster_inbox WHERE handled < `+dialect.Now()+` - $1 LIMIT $2) AS old)`, olderThan.Milliseconds(), batch))
		total += n
		if err != nil || n < batch {
			return total, err
		}
	}
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, explained(err)
	}
	return res.RowsAffected()
}

// explained says what to do about an error of the database, where that is known.
func explained(err error) error {
	if migrate.Missing(err, "muster_inbox") {
		return fmt.Errorf("inbox: the table muster_inbox is missing: call inbox.Migrate before: %w", err)
	}
	return fmt.Errorf("inbox: %w", err)
}
