package outbox

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Backlog is what an outbox holds.
type Backlog struct {
	Messages int64         `json:"messages"`  // not published yet, the refused ones included
	Oldest   time.Duration `json:"oldest_ns"` // since the oldest of them was appended; 0 when there is none
	Refused  int64         `json:"refused"`   // that the broker refused for good; each holds its key
	Log      *Log          `json:"log"`       // where messages leave by the log; then the others count what must wait beside it
}

// Waiting tells how much waits in the outbox of db.
func Waiting(ctx context.Context, db *sql.DB) (b Backlog, err error) {
	dialect, err := dialectOf(db)
	if err != nil {
		return b, err
	}
	var oldest int64
	err = db.QueryRowContext(ctx, `SELECT count(*), COALESCE(max(`+dialect.Now()+` - created), 0), count(error) FROM muster_outbox`).
		Scan(&b.Messages, &oldest, &b.Refused)
	if err != nil {
		return b, explain(err)
	}
	b.Oldest = time.Duration(max(oldest, 0)) * time.Millisecond
	if dialect == tx.Postgres {
		b.Log, err = logOf(ctx, db)
	}
	return b, err
}

// Refused is a message that the broker refused for good.
type Refused struct {
	ID       string    `json:"id"`    // for Retry and Discard; opaque
	Event    string    `json:"event"` // the id of the event
	Topic    string    `json:"topic"`
	Key      string    `json:"key"`
	Error    string    `json:"error"`
	Appended time.Time `json:"appended"`
}

// ListRefused returns the first messages that the broker refused for good, most at
// most (0 means 100), the newest last.
func ListRefused(ctx context.Context, db *sql.DB, most int) (list []Refused, err error) {
	if db == nil {
		return nil, errNoDB
	}
	if most <= 0 {
		most = 100
	}
	rows, err := db.QueryContext(ctx, `SELECT id, topic, "key", attributes, error, created FROM muster_outbox WHERE error IS NOT NULL ORDER BY id LIMIT $1`, most)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var r Refused
		var attributes string
		var id, created int64
		if err := rows.Scan(&id, &r.Topic, &r.Key, &attributes, &r.Error, &created); err != nil {
			return nil, explain(err)
		}
		if all, err := decode(attributes); err == nil { // else its Error says that it cannot be read
			r.Event = all["id"]
		}
		r.ID, r.Appended = strconv.FormatInt(id, 10), time.UnixMilli(created).UTC()
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, explain(err)
	}
	return list, nil
}

// Retry has a refused message published again, and those behind it under its key.
// Errors are not_found for one that is not there, and failed_precondition for one that
// was not refused.
func Retry(ctx context.Context, db *sql.DB, id string) error {
	return settleRefused(ctx, db, id, `UPDATE muster_outbox SET error = NULL WHERE id = $1 AND error IS NOT NULL`)
}

// Discard deletes a refused message: it will never be published, and its key goes on.
// Errors are those of [Retry].
func Discard(ctx context.Context, db *sql.DB, id string) error {
	return settleRefused(ctx, db, id, `DELETE FROM muster_outbox WHERE id = $1 AND error IS NOT NULL`)
}

func settleRefused(ctx context.Context, db *sql.DB, id, statement string) error {
	if db == nil {
		return errNoDB
	}
	missing := problem.New(problem.NotFound, "the outbox has no message %q", id)
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return missing
	}
	return tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		res, err := t.ExecContext(ctx, statement, n)
		if err != nil {
			return explain(err)
		}
		if done, err := res.RowsAffected(); err != nil || done == 1 {
			return err
		}
		var there int
		if err := t.QueryRowContext(ctx, `SELECT count(*) FROM muster_outbox WHERE id = $1`, n).Scan(&there); err != nil {
			return explain(err)
		}
		if there == 0 {
			return missing
		}
		return problem.New(problem.FailedPrecondition, "the message %s of the outbox was not refused: it is published in its turn", id)
	})
}

func dialectOf(db *sql.DB) (tx.Dialect, error) {
	if db == nil {
		return "", errNoDB
	}
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return "", fmt.Errorf("outbox: %w", err)
	}
	return dialect, nil
}
