// Package outbox publishes events together with a change of the database: [Append]
// writes the event into a table of the same database, in the transaction that changes
// it, and a [Relay] publishes what was committed. So an event is published exactly if
// the change was made, whatever crashes when.
//
// The messages of one key are published in the order in which their transactions were
// committed. To that end a transaction that has appended to a key on PostgreSQL or MariaDB makes
// others that append to the same key wait until it ends, as changing one row would;
// one that appends to several keys may meet another that does so the other way round,
// and one of the two fails with a deadlock (tx.IsRetryable). Messages without a key
// make nobody wait. On MariaDB keys share 4096 turns, so that now and then one waits for another. SQLite's transactions come one after the other in any case.
//
// A message may be published twice, when a relay crashes between the publication and
// the deletion of the row: the broker knows it by its Source and ID, and what the
// broker has forgotten package inbox knows.
package outbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
)

// Append has event published to topic once t is committed, after all events of the
// same key that were appended by earlier commits. key may be "": then in any order.
//
// The event's id is random, its time is now; the trace, and the message that was being
// handled as its cause, come from ctx. Refused are an event that cannot be written, is
// larger than bus.MaxData, or has no valid topic: the errors of Topic.Msg.
//
// Under a context that [WithRelay] made, the relay is woken after the commit, provided
// that tx.Do runs the transaction. Otherwise the relay finds the event when it looks.
func Append[T any](ctx context.Context, t tx.Tx, topic bus.Topic[T], key string, event T) error {
	m, err := topic.Msg(ctx, key, event)
	if err != nil {
		return err
	}
	return AppendMsg(ctx, t, m)
}

// AppendMsg is [Append] for a message that is made already. An empty ID becomes a
// random one, a zero Time now; an empty Source becomes that of the relay, and an empty
// Sequence the message's number in the table.
//
// A message with NotBefore stays in the table until then, by the database's clock;
// later messages of its key wait behind it.
func AppendMsg(ctx context.Context, t tx.Tx, m bus.Msg) error {
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	if err := m.ValidateDraft(); err != nil {
		return err
	}
	attributes, err := json.Marshal(m.Attributes())
	if err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	var notBefore int64
	if !m.NotBefore.IsZero() {
		notBefore = max(m.NotBefore.UnixMilli(), 1)
	}
	data := m.Data
	if data == nil {
		data = []byte{}
	}
	_, err = t.ExecContext(ctx, `INSERT INTO muster_outbox (topic, "key", attributes, data, not_before) VALUES ($1, $2, $3, $4, $5)`,
		m.Topic, m.Key, string(attributes), data, notBefore)
	if err != nil {
		return explain(err)
	}
	if r, ok := ctx.Value(relayKey{}).(*Relay); ok {
		tx.AfterCommit(ctx, r.Wake)
	}
	return nil
}

type relayKey struct{}

// WithRelay returns a context under which Append wakes r after the commit.
func WithRelay(ctx context.Context, r *Relay) context.Context {
	if r == nil {
		return ctx
	}
	return context.WithValue(ctx, relayKey{}, r)
}

func explain(err error) error {
	if migrate.Missing(err, "muster_outbox") {
		return fmt.Errorf("outbox: the table muster_outbox is missing: call outbox.Migrate before: %w", err)
	}
	return fmt.Errorf("outbox: %w", err)
}
