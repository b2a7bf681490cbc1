package table

import (
	"context"

	"github.com/musterdev/muster/data/tx"
)

// Bury ends the leases of all whose owner begins with this: runs of a process that is
// known to have ended. They are taken over as any other whose lease has ended. Those that
// a transaction has locked are left out; their leases end by themselves.
func (s *Table) Bury(ctx context.Context, begins string) error {
	if s.dialect == tx.MySQL {
		return s.buryApart(ctx, begins)
	}
	_, err := s.db.ExecContext(ctx, s.sql(`WITH dead AS MATERIALIZED (SELECT name, id FROM muster_saga
			WHERE owner <> '' AND substr(owner, 1, length(CAST($1 AS TEXT))) = $1 ORDER BY next_at LIMIT (SELECT 1000000) SKIP)
		UPDATE muster_saga SET leased_until = 0 WHERE (name, id) IN (SELECT name, id FROM dead)`), begins)
	return explain(err)
}
