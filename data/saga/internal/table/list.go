package table

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/musterdev/muster/problem"
)

// The bounds of Filter.Limit.
const (
	defaultLimit = 100
	MaxLimit     = 1000
)

var states = []State{Running, Waiting, Compensating, Paused, Completed, Compensated}

// List returns sagas, the last changed first. invalid_argument says what is wrong with
// the filter.
func (s *Table) List(ctx context.Context, f Filter, settle func(Row) (r Row, known bool)) (entries []Entry, err error) {
	if f.State != "" && !slices.Contains(states, f.State) {
		return nil, problem.New(problem.InvalidArgument, "there is no state %q of a saga", f.State).WithField("state", "one of running, waiting, compensating, paused, completed, compensated")
	}
	if f.Limit < 0 || f.Limit > MaxLimit {
		return nil, problem.New(problem.InvalidArgument, "%d sagas cannot be listed at once", f.Limit).WithField("limit", "1 to 1000")
	}
	if f.Limit == 0 {
		f.Limit = defaultLimit
	}
	var where []string
	var args []any
	if args = append(args, f.Limit); f.State != "" {
		args = append(args, f.State)
		where = append(where, "state = $2")
	}
	if f.Name != "" {
		args = append(args, f.Name)
		where = append(where, "name = "+[]string{2: "$2", 3: "$3"}[len(args)])
	}
	query, last := "SELECT COLUMNS FROM muster_saga", "updated"
	if f.State == Completed || f.State == Compensated { // the same then, and there is an index of it
		last = "ended"
	}
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	found, err := s.db.QueryContext(ctx, s.sql(query+" ORDER BY "+last+" DESC, name, id LIMIT $1"), args...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		r, err := scan(found)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entryOf(settle(r)))
	}
	return entries, explain(found.Err())
}

// Show returns a saga with its history, or ErrNotFound.
func (s *Table) Show(ctx context.Context, name, id string, settle func(Row) (r Row, known bool)) (detail Detail, err error) {
	r, err := scan(s.db.QueryRowContext(ctx, s.sql("SELECT COLUMNS FROM muster_saga WHERE name = $1 AND id = $2"), name, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Detail{}, err
	}
	detail = Detail{Entry: entryOf(settle(r)), Data: readable(r.Data)}
	if detail.History, err = s.history(ctx, name, id); err != nil {
		return detail, err
	}
	// That it was started is told by its row. What was written before this was so has an event of it.
	if h := detail.History; len(h) == 0 || h[0].Seq > 1 {
		begun := Event{Seq: 1, Step: r.Step, Direction: direction(&Row{}), Outcome: "started", At: detail.Created}
		if len(h) > 0 {
			begun.Step = h[0].Step
		}
		detail.History = slices.Insert(h, 0, begun)
	}
	return detail, nil
}

// Counts returns how many sagas there are, by name, version and state.
func (s *Table) Counts(ctx context.Context) (counts []Count, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT name, version, state, count(*) FROM muster_saga GROUP BY name, version, state ORDER BY name, version, state`)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Name, &c.Version, &c.State, &c.Sagas); err != nil {
			return nil, explain(err)
		}
		counts = append(counts, c)
	}
	return counts, explain(rows.Err())
}

// Quiet reports whether every saga has ended and no lease is held.
func (s *Table) Quiet(ctx context.Context) (bool, error) {
	var some bool
	err := s.db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM muster_saga WHERE state IN ('running', 'compensating')) OR EXISTS (SELECT 1 FROM muster_saga WHERE state IN ('waiting', 'paused'))
		OR EXISTS (SELECT 1 FROM muster_saga WHERE owner <> '')`).Scan(&some)
	return !some, explain(err)
}
