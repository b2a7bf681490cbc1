package parking

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Entry is a parked message as people see it, without its data.
type Entry struct {
	ID       string    `json:"id"` // for Redrive and Discard; opaque
	Group    string    `json:"group"`
	Source   string    `json:"source"`
	Event    string    `json:"event"` // its id, unique within the source
	Topic    string    `json:"topic"`
	Key      string    `json:"key,omitempty"`
	Attempts int       `json:"attempts"`        // tries that failed, the one under way included
	Error    string    `json:"error,omitempty"` // of the last; "" for one that only waits behind another
	Dead     bool      `json:"dead"`            // not tried again until it is redriven
	Trying   bool      `json:"trying"`          // leased to a consumer just now
	Next     time.Time `json:"next"`            // not tried before this
	Parked   time.Time `json:"parked"`
	Bytes    int64     `json:"bytes"` // of data
}

// Filter chooses parked messages. Its zero value chooses all.
type Filter struct {
	Group string // "" means any
	Topic string // "" means any
	Key   string // "" means any
	Dead  bool   // only those that are dead
	After string // only those behind this ID, to page on
	Most  int    // 1 to 1000; 0 means 100
}

// MostListed is the most entries that List returns.
const MostListed = 1000

const columns = `id, consumer, source, event, topic, "key", attempts, error, dead, next, parked, length(data)`

// List returns parked messages in the order in which they were parked, the newest
// last, as many as f allows: it is complete when there are fewer.
func (s *Store) List(ctx context.Context, f Filter) ([]Entry, error) {
	where, args := []string{"id > $1"}, []any{int64(0)}
	if f.After != "" {
		id, err := parseID(f.After)
		if err != nil {
			return nil, problem.New(problem.InvalidArgument, "there is no place behind %q", f.After).WithField("after", "the id of a parked message")
		}
		args[0] = id
	}
	for _, c := range []struct{ column, value string }{{"consumer", f.Group}, {"topic", f.Topic}, {`"key"`, f.Key}} {
		if c.value != "" {
			args = append(args, c.value)
			where = append(where, fmt.Sprintf("%s = $%d", c.column, len(args)))
		}
	}
	if f.Dead {
		where = append(where, "dead")
	}
	most := f.Most
	if most <= 0 {
		most = 100
	}
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf(`SELECT %s, leased_until > %s FROM muster_parked WHERE %s ORDER BY id LIMIT %d`,
		columns, s.now, strings.Join(where, " AND "), min(most, MostListed)), args...)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	list := []Entry{}
	for rows.Next() {
		e, err := scan(rows)
		if err != nil {
			return nil, explain(err)
		}
		list = append(list, e)
	}
	return list, explain(rows.Err())
}

// Count is how many messages are parked for a group.
type Count struct {
	Group    string  `json:"group"`
	Waiting  int64   `json:"waiting"`        // to be tried: after a failure, behind another of their key, or not before a time
	Dead     int64   `json:"dead"`           // not tried again until they are redriven
	Oldest   float64 `json:"oldest_seconds"` // since the first of those that wait was parked; 0: none waits
	Attempts int     `json:"attempts"`       // the most tries that one of those that wait has had, the one under way included
}

// Counts returns how many messages are parked, sorted by group; groups without any are
// left out.
func (s *Store) Counts(ctx context.Context) ([]Count, error) {
	rows, err := s.db.QueryContext(ctx, s.sql(`SELECT consumer, sum(CASE WHEN dead THEN 0 ELSE 1 END), sum(CASE WHEN dead THEN 1 ELSE 0 END),
		COALESCE(NOW - min(CASE WHEN dead THEN NULL ELSE parked END), 0), max(CASE WHEN dead THEN 0 ELSE attempts END)
		FROM muster_parked GROUP BY consumer ORDER BY consumer`))
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	list := []Count{}
	for rows.Next() {
		var c Count
		var oldest int64
		if err := rows.Scan(&c.Group, &c.Waiting, &c.Dead, &oldest, &c.Attempts); err != nil {
			return nil, explain(err)
		}
		c.Oldest = max(0, time.Duration(oldest)*time.Millisecond).Seconds()
		list = append(list, c)
	}
	return list, explain(rows.Err())
}

func scan(row interface{ Scan(dest ...any) error }) (e Entry, err error) {
	var id, next, parked int64
	err = row.Scan(&id, &e.Group, &e.Source, &e.Event, &e.Topic, &e.Key, &e.Attempts, &e.Error, &e.Dead, &next, &parked, &e.Bytes, &e.Trying)
	e.ID, e.Next, e.Parked = strconv.FormatInt(id, 10), time.UnixMilli(next).UTC(), time.UnixMilli(parked).UTC()
	return e, err
}

func parseID(id string) (int64, error) { return strconv.ParseInt(id, 10, 64) }

// Redrive has a dead message tried again at once, with all its attempts before it; the
// later ones of its key follow. Errors are not_found for a message that is not parked
// (any more), and failed_precondition for one that is not dead.
func (s *Store) Redrive(ctx context.Context, id string) error {
	_, err := s.change(ctx, id, func(e Entry) error {
		if !e.Dead {
			return problem.New(problem.FailedPrecondition, "the message %s is not dead: it is tried again by itself", id)
		}
		return nil
	}, redriven+` WHERE id = $1`)
	return err
}

// What Redrive changes. The fence grows for whoever may still be trying it.
const redriven = `UPDATE muster_parked SET dead = FALSE, attempts = 0, next = 0, fence = fence + 1, leased_until = 0`

// RedriveAll redrives all dead messages of a group, "" means of all groups, and
// returns how many they were.
func (s *Store) RedriveAll(ctx context.Context, group string) (int64, error) {
	res, err := s.db.ExecContext(ctx, redriven+` WHERE dead AND (consumer = $1 OR $1 = '')`, group)
	if err != nil {
		return 0, explain(err)
	}
	return res.RowsAffected()
}

// Discard gives a message up for ever, and its key goes on without it. It returns what
// it gave up, for the record. Errors are not_found for a message that is not parked
// (any more), and failed_precondition for one that a consumer is just trying.
func (s *Store) Discard(ctx context.Context, id string) (Entry, error) {
	return s.change(ctx, id, func(e Entry) error {
		if e.Trying {
			return problem.New(problem.FailedPrecondition, "the message %s is being tried just now: look again in a few seconds", id)
		}
		return nil
	}, `DELETE FROM muster_parked WHERE id = $1`)
}

// change runs a statement on one row if may says so of it.
func (s *Store) change(ctx context.Context, id string, may func(Entry) error, statement string) (e Entry, err error) {
	missing := problem.New(problem.NotFound, "no message %q is parked here", id)
	n, err := parseID(id)
	if err != nil {
		return e, missing
	}
	lock := " FOR UPDATE"
	if s.dialect == tx.SQLite { // its transactions come one after the other
		lock = ""
	}
	err = tx.Do(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		e, err = scan(t.QueryRowContext(ctx, `SELECT `+columns+`, leased_until > `+s.now+` FROM muster_parked WHERE id = $1`+lock, n))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return missing
		case err != nil:
			return explain(err)
		}
		if err := may(e); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, statement, n)
		return explain(err)
	})
	return e, err
}
