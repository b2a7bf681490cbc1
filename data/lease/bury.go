package lease

import (
	"context"
	"database/sql"
)

// Bury ends the lease name if owner holds it, so that the next takes it at once, in place of
// after [Length]. It is for who knows that no process of this owner lives but the one that
// asks, as their supervisor starts one only after the end of the one before. A holder that
// lives nevertheless loses the lease, as one that was paused does.
func Bury(ctx context.Context, db *sql.DB, name, owner string) error {
	_, err := db.ExecContext(ctx, `UPDATE muster_lease SET held_until = 0 WHERE name = $1 AND owner = $2`, name, owner)
	if err != nil {
		return explain(err)
	}
	return nil
}
