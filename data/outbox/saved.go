package outbox

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/tx"
)

// save writes down how far it is, with what goes back into the table.
func (l *logged) save(ctx context.Context, to Position, back []waits) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(parting, lease.Length))
	defer cancel()
	err := tx.Do(ctx, l.DB, func(ctx context.Context, t *sql.Tx) error {
		if err := l.held.Check(ctx, t); err != nil {
			return err
		}
		for _, w := range back {
			if !w.back {
				continue
			}
			if err := putBack(ctx, t, w); err != nil {
				return err
			}
		}
		res, err := t.ExecContext(ctx, `UPDATE muster_outbox_log SET position = $1 WHERE lost IS NULL`, string(to))
		if err != nil {
			return explain(err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, errors.New("outbox: its row in muster_outbox_log is gone"))
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.saved, l.pos, l.last, l.dirty = to, to, time.Now(), time.Time{}
	l.reader.Confirm(to)
	return nil
}

// table publishes what the table has.
func (l *logged) table(ctx context.Context) (moved int, failed, err error) {
	moved, failed, err = l.pass(ctx, l.held)
	l.stale = l.stale || moved > 0 && len(l.keys) > 0
	if err == nil && l.stale && time.Now().After(l.scan) {
		err = l.findKeys(ctx)
	}
	return moved, failed, err
}

// findKeys looks which keys have rows in the table. Nobody else adds any; one that has none
// any more does no harm, for what goes behind it is due at once. So where looking takes long it is done seldom.
func (l *logged) findKeys(ctx context.Context) error {
	began := time.Now()
	defer func() { l.scan = time.Now().Add(10 * time.Since(began)) }()
	rows, err := l.DB.QueryContext(ctx, `SELECT DISTINCT "key" FROM muster_outbox WHERE "key" <> ''`)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	clear(l.keys)
	l.stale = false
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return explain(err)
		}
		l.keys[key] = true
	}
	return rows.Err()
}
