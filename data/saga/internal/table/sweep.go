package table

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// Sweep deletes sagas that ended longer ago than olderThan, with their history; 0 means
// 30 days. An id may be started again after that. It returns how many it deleted. Call
// it now and then from any replica.
func Sweep(ctx context.Context, db *sql.DB, olderThan time.Duration) (int64, error) {
	const batch = 200 // so that no lock is held for long
	if olderThan <= 0 {
		olderThan = 30 * 24 * time.Hour
	}
	s, err := Of(db)
	if err != nil {
		return 0, err
	}
	for total := int64(0); ; {
		var n int64
		err := tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
			keys, err := s.old(ctx, t, olderThan, batch)
			for _, k := range keys {
				for _, remove := range []string{
					`DELETE FROM muster_saga_step WHERE name = $1 AND id = $2`,
					`DELETE FROM muster_saga WHERE name = $1 AND id = $2`,
				} {
					_, wrong := t.ExecContext(ctx, remove, k.Name, k.ID)
					err = errors.Join(err, wrong)
				}
			}
			n = int64(len(keys))
			return explain(err)
		})
		if err != nil {
			return total, err
		}
		if total += n; n < batch {
			return total, nil
		}
	}
}

// old returns sagas that ended before, locked where the engine below can.
func (s *Table) old(ctx context.Context, t tx.Tx, olderThan time.Duration, most int) (keys []Key, err error) {
	rows, err := t.QueryContext(ctx, s.sql(`SELECT name, id FROM muster_saga WHERE state IN ('completed', 'compensated') AND updated < NOW - $1
		ORDER BY updated LIMIT $2 SKIP`), olderThan.Milliseconds(), most)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var k Key
		if err := rows.Scan(&k.Name, &k.ID); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, rows.Err()
}
