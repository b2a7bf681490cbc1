package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// Keep is how long a saga that ended is kept where nobody says how long.
const Keep = 30 * 24 * time.Hour

// Sweep deletes sagas that ended longer ago than olderThan, with their history: those
// of these names, or all where there are none. It returns how many it deleted.
func (s *Table) Sweep(ctx context.Context, olderThan time.Duration, names ...string) (int64, error) {
	const batch = 200 // so that no lock is held for long
	for total := int64(0); ; {
		var n int64
		err := tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
			old, err := s.old(ctx, t, olderThan, batch, names)
			for _, k := range old {
				for _, remove := range []string{
					`DELETE FROM muster_saga_step WHERE name = $1 AND id = $2`,
					`DELETE FROM muster_saga WHERE name = $1 AND id = $2`,
				} {
					_, wrong := t.ExecContext(ctx, remove, k.Name, k.ID)
					err = errors.Join(err, wrong)
				}
			}
			n = int64(len(old))
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
func (s *Table) old(ctx context.Context, t tx.Tx, olderThan time.Duration, most int, names []string) ([]Key, error) {
	condition, args := "", []any{olderThan.Milliseconds(), most}
	if len(names) > 0 {
		places := make([]string, len(names))
		for i, name := range names {
			args = append(args, name)
			places[i] = fmt.Sprint("$", len(args))
		}
		condition = "AND name || '' IN (" + strings.Join(places, ", ") + ")"
	}
	return keys(t.QueryContext(ctx, s.sql(`SELECT name, id FROM muster_saga
		WHERE state IN ('completed', 'compensated') AND ended < NOW - $1 `+condition+` LIMIT $2 SKIP`), args...))
}
