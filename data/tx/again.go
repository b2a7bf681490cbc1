package tx

import (
	"context"
	"database/sql"
)

// tries is how often Again and Repeat run a transaction at most.
const tries = 3

// Again is [Do] for what may be run once more from its beginning: a transaction that failed
// only because of others, by [IsRetryable], is run again at once, three times in all. fn is to do nothing
// outside its transaction.
func Again(ctx context.Context, db *sql.DB, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return Repeat(func() error { return Do(ctx, db, fn) })
}

// Repeat is [Again] for what is a transaction by itself, as one statement is that is given to a *sql.DB.
func Repeat(run func() error) error {
	for try := 1; ; try++ {
		err := run()
		if try == tries || !IsRetryable(err) {
			return err
		}
	}
}
