package table

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// past is what a saga's own row keeps of why it is moved, so that a step which goes well writes one
// row: the step, its direction and its outcome. It is "" where there is more to be told, or nobody
// is told: then that is a row of the history.
func (m *Move) past() string {
	w := m.Why
	if w == nil || w.Outcome != "done" && w.Outcome != "waits" || w.Error != "" || w.By != "" || w.Why != "" {
		return ""
	}
	return m.From.Step + " " + direction(m.From) + " " + w.Outcome
}

// events reads what the statements made of past: "2 1763920000000 reserve do done;" and so on.
// Names of steps have no spaces.
func events(kept string) (list []Event, err error) {
	for kept != "" {
		one, rest, _ := strings.Cut(kept, ";")
		var ev Event
		var at int64
		if _, err := fmt.Sscan(one, &ev.Seq, &at, &ev.Step, &ev.Direction, &ev.Outcome); err != nil {
			return nil, fmt.Errorf("saga: its row keeps a history that cannot be read: %q: %w", one, err)
		}
		ev.At = time.UnixMilli(at).UTC()
		list, kept = append(list, ev), rest
	}
	return list, nil
}

// history is what happened to a saga: what its row keeps, and the rows besides.
func (s *Table) history(ctx context.Context, name, id string) (list []Event, err error) {
	var kept string
	switch err := s.db.QueryRowContext(ctx, `SELECT past FROM muster_saga WHERE name = $1 AND id = $2`, name, id).Scan(&kept); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotFound
	case err != nil:
		return nil, explain(err)
	}
	if list, err = events(kept); err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT seq, step, direction, outcome, error, who, why, at FROM muster_saga_step WHERE name = $1 AND id = $2 ORDER BY seq`, name, id)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var ev Event
		var at int64
		if err := rows.Scan(&ev.Seq, &ev.Step, &ev.Direction, &ev.Outcome, &ev.Error, &ev.By, &ev.Why, &at); err != nil {
			return nil, explain(err)
		}
		ev.At = time.UnixMilli(at).UTC()
		list = append(list, ev)
	}
	slices.SortFunc(list, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return list, explain(rows.Err())
}
