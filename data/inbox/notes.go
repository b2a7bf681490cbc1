package inbox

import (
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/musterdev/muster/data/group"
	"github.com/musterdev/muster/data/tx"
)

// Notes notes messages whose effect is not in this database, so that there is no
// transaction to note them in: notes that come at the same time share one. DB may not
// change once Note was called. It is used by pointer and safe for concurrent use.
//
// What is noted before its effect has it at most once: a crash in between loses it. What
// is noted after has it at least once, and the note spares most repetitions. Where the
// effect is in DB use [Once] instead, and neither can happen.
type Notes struct {
	DB *sql.DB // with the table of Migrate

	once    sync.Once
	err     error
	dialect tx.Dialect
	lane    group.Lane[*note]
}

type note struct{ group, source, id string }

var errNoted = errors.New("inbox: noted before")

// Note notes that a group has handled a message, and returns when that is committed. fresh
// is false when it was noted before.
func (n *Notes) Note(ctx context.Context, group, source, id string) (fresh bool, err error) {
	n.once.Do(func() {
		if n.DB == nil {
			n.err = errNoDB
			return
		}
		n.dialect, n.err = tx.DialectOf(n.DB)
		n.lane.Flush = n.flush
	})
	if n.err != nil {
		return false, n.err
	}
	if err := check(group, source, id); err != nil {
		return false, err
	}
	err = n.lane.Do(ctx, &note{group, source, id})
	if errors.Is(err, errNoted) {
		return false, nil
	}
	return err == nil, err
}

const insertMany = `INSERT INTO muster_inbox (consumer, source, id)
	SELECT consumer, source, id FROM unnest($1::text[], $2::text[], $3::text[]) AS i(consumer, source, id)
	ON CONFLICT (consumer, source, id) DO NOTHING RETURNING consumer, source, id`

func (n *Notes) flush(ctx context.Context, notes []*note) (errs []error, err error) {
	errs = make([]error, len(notes))
	err = group.Commit(ctx, n.DB, n.dialect, func(ctx context.Context, c group.Conn) (err error) {
		if n.dialect == tx.Postgres {
			return insertAll(ctx, c, notes, errs)
		}
		for i, m := range notes {
			done, err := affected(c.ExecContext(ctx, insert, m.group, m.source, m.id))
			if err != nil {
				return err
			}
			errs[i] = map[bool]error{true: errNoted}[done == 0]
		}
		return nil
	})
	return errs, err
}

func insertAll(ctx context.Context, c group.Conn, notes []*note, errs []error) (err error) {
	const columns = 3
	rows, first := group.NewColumns(columns, len(notes)), make(map[note]int, len(notes))
	for i, m := range notes {
		errs[i] = errNoted
		if _, twice := first[*m]; !twice {
			first[*m] = i
		}
		rows.Row().Text(m.group).Text(m.source).Text(m.id)
	}
	found, err := c.QueryContext(ctx, insertMany, rows.Args()...)
	if err != nil {
		return explained(err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		var m note
		if err := found.Scan(&m.group, &m.source, &m.id); err != nil {
			return err
		}
		errs[first[m]] = nil
	}
	return found.Err()
}
