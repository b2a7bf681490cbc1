package cdc

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/problem"
)

//go:embed schema
var schema embed.FS

// Migrate creates the table muster_cdc, and that of package lease, in db or brings them up to date. Any number of
// processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	if err := lease.Migrate(ctx, db); err != nil {
		return err
	}
	return migrate.Own(ctx, db, schema, "muster_cdc_version")
}

// Status is how far a follower is.
type Status struct {
	Name     string   `json:"name"`
	State    string   `json:"state"` // copying, following, lost
	Position Position `json:"position"`
	Lost     string   `json:"lost,omitempty"` // why nothing is followed until Recopy
}

// Stats returns what is followed in db, by name.
func Stats(ctx context.Context, db *sql.DB) (list []Status, err error) {
	rows, err := db.QueryContext(ctx, `SELECT name, state, position, lost FROM muster_cdc ORDER BY name`)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s Status
		if err := rows.Scan(&s.Name, &s.State, &s.Position, &s.Lost); err != nil {
			return nil, explain(err)
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// Recopy has everything copied anew, by whom and why: after the source has lost a part of its log, and
// while it is followed too. Errors are not_found and invalid_argument. A follower that runs begins within a
// second or two.
func Recopy(ctx context.Context, db *sql.DB, name, by, why string) error {
	if strings.TrimSpace(by) == "" || strings.TrimSpace(why) == "" {
		return problem.New(problem.InvalidArgument, "say who has it copied anew, and why").WithField("by", "by and why are needed")
	}
	res, err := db.ExecContext(ctx, `UPDATE muster_cdc SET state = '`+copying+`', lost = '', by_whom = $1, why = $2 WHERE name = $3`, by, why, name)
	if err != nil {
		return explain(err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return problem.New(problem.NotFound, "nothing is followed by the name %q", name)
	}
	return err
}

// differences tells in words how columns differ; "" when they do not.
func differences(was, is []Column) string {
	var told []string
	before := map[string]Column{}
	for _, c := range was {
		before[c.Name] = c
	}
	for _, c := range is {
		old, there := before[c.Name]
		delete(before, c.Name)
		switch {
		case !there:
			told = append(told, fmt.Sprintf("%s (%s) is new", c.Name, c.Type))
		case old.Type != c.Type:
			told = append(told, fmt.Sprintf("%s is %s and was %s", c.Name, c.Type, old.Type))
		case old.Key != c.Key:
			told = append(told, c.Name+map[bool]string{true: " is part of the key", false: " is no part of the key any more"}[c.Key])
		}
	}
	for _, c := range was {
		if _, gone := before[c.Name]; gone {
			told = append(told, c.Name+" is gone")
		}
	}
	if told == nil && len(was) == len(is) {
		for i := range is {
			if was[i].Name != is[i].Name {
				return "the columns are in another order"
			}
		}
	}
	return strings.Join(told, ", ")
}

func explain(err error) error {
	if err == nil {
		return nil
	}
	if migrate.Missing(err, "muster_cdc") {
		return fmt.Errorf("cdc: the table muster_cdc is missing: call cdc.Migrate before: %w", err)
	}
	return fmt.Errorf("cdc: %w", err)
}
