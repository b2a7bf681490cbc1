package projection

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/tx"
)

// The states of a build.
const (
	building = "building" // it grows, and is not read
	live     = "live"     // it is read by code that is no older, unless a later one is live
	dropped  = "dropped"  // its tables are gone
)

// build is a row of muster_projection_build.
type build struct {
	label                 string
	code, run             int
	state, tables         string
	began, swapped, seen  int64
	accepted              bool
	hindrance, asked, why string
	now                   int64 // by the database's clock, when it was read
}

func (b build) view() View         { return View{Build: b.code, Suffix: "_" + b.label} }
func (b build) after(o build) bool { return b.code > o.code || b.code == o.code && b.run > o.run }

// labelOf names a build: b3, and b3_2 when it is made for the second time by the same code.
func labelOf(code, run int) string {
	if run == 1 {
		return fmt.Sprintf("b%d", code)
	}
	return fmt.Sprintf("b%d_%d", code, run)
}

// groupOf names the group of a build at the broker, which no other build ever has.
func (p *Projection) groupOf(label string) string {
	return p.Name + "-" + strings.ReplaceAll(label, "_", "-")
}

// querier is a *sql.DB or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const columns = `build, code, run, state, tables, began, swapped, seen, accepted, hindrance, asked_by, why, `

// builds returns all builds there ever were, the latest first.
func (p *Projection) builds(ctx context.Context, q querier) (all []build, err error) {
	rows, err := q.QueryContext(ctx, `SELECT `+columns+p.dialect.Now()+` FROM muster_projection_build WHERE projection = $1 ORDER BY code DESC, run DESC`, p.Name)
	if err != nil {
		return nil, explained(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var b build
		var accepted int
		if err := rows.Scan(&b.label, &b.code, &b.run, &b.state, &b.tables, &b.began, &b.swapped, &b.seen, &accepted, &b.hindrance, &b.asked, &b.why, &b.now); err != nil {
			return nil, explained(err)
		}
		b.accepted = accepted != 0
		all = append(all, b)
	}
	return all, rows.Err()
}

// read returns which of the builds, the latest first, the code reads; nil for none.
func read(all []build, code int) *build {
	for i, b := range all {
		if b.state == live && b.code <= code {
			return &all[i]
		}
	}
	return nil
}

// isRead is read in SQL: the label of the build that code $2 reads.
const isRead = `(SELECT b.build FROM muster_projection_build b WHERE b.projection = $1 AND b.state = 'live' AND b.code <= $2 ORDER BY b.code DESC, b.run DESC LIMIT 1)`

// ensure makes the first build of this code, if there is none.
func (p *Projection) ensure(ctx context.Context) error {
	return p.begin(ctx, Note{}, func(all []build) (abandon []build, needed bool) {
		return nil, !slices.ContainsFunc(all, func(b build) bool { return b.code == p.Build && b.state != dropped })
	})
}

// begin makes another build of this code, if it is needed, in place of those it abandons.
//
// The broker may know a group that the database does not: the database was lost, and what
// that group has had will not come again. So the groups are asked for first, and a number
// is chosen that none has; a replica that does the same beside us and has subscribed by then has
// committed its build as well.
func (p *Projection) begin(ctx context.Context, n Note, plan func(all []build) (abandon []build, needed bool)) error {
	known := map[string]bool{}
	if admin, ok := p.Broker.(bus.Admin); ok {
		groups, err := admin.Groups(ctx)
		if err != nil {
			return fmt.Errorf("projection: the broker does not say which groups it has: %w", err)
		}
		for _, g := range groups {
			known[g.Name] = true
		}
	}
	return p.do(ctx, func(ctx context.Context, t tx.Tx) error {
		all, err := p.builds(ctx, t)
		if err != nil {
			return err
		}
		abandon, needed := plan(all)
		if !needed {
			return nil
		}
		for _, b := range abandon {
			if err := p.drop(ctx, t, b); err != nil {
				return err
			}
		}
		run := 1
		for _, b := range all {
			if b.code == p.Build {
				run = max(run, b.run+1)
			}
		}
		for known[p.groupOf(labelOf(p.Build, run))] {
			p.log.WarnContext(ctx, "the broker has a group that this database knows nothing of: was the database lost? the build gets another number", "group", p.groupOf(labelOf(p.Build, run)))
			run++
		}
		return p.create(ctx, t, build{label: labelOf(p.Build, run), code: p.Build, run: run, asked: n.By, why: n.Why})
	})
}

// create makes a build and its tables, unless another replica just has.
func (p *Projection) create(ctx context.Context, t tx.Tx, b build) error {
	var full []string
	for _, name := range p.Tables {
		full = append(full, b.view().Name(name))
	}
	now := p.dialect.Now()
	made, err := affected(t.ExecContext(ctx, `INSERT INTO muster_projection_build (projection, build, code, run, state, tables, began, seen, asked_by, why)
		VALUES ($1, $2, $3, $4, '`+building+`', $5, `+now+`, `+now+`, $6, $7) ON CONFLICT (projection, build) DO NOTHING`,
		p.Name, b.label, b.code, b.run, strings.Join(full, " "), b.asked, b.why))
	if err != nil || made == 0 {
		return err
	}
	p.log.InfoContext(ctx, "a build of the read model begins", "build", b.label, "by", b.asked, "why", b.why)
	if err := p.Schema(ctx, t, b.view()); err != nil {
		return fmt.Errorf("projection: the tables of %s %s cannot be made: %w", p.Name, b.label, err)
	}
	return nil
}

// drop makes an end of a build and its tables. Its notes are swept later, a few at a time.
func (p *Projection) drop(ctx context.Context, t tx.Tx, b build) error {
	n, err := affected(t.ExecContext(ctx, `UPDATE muster_projection_build SET state = '`+dropped+`', hindrance = '' WHERE projection = $1 AND build = $2 AND state = $3`, p.Name, b.label, b.state))
	if err != nil || n == 0 {
		return err
	}
	if _, err := t.ExecContext(ctx, `DELETE FROM muster_projection_failed WHERE projection = $1 AND build = $2`, p.Name, b.label); err != nil {
		return explained(err)
	}
	for _, table := range slices.Backward(strings.Fields(b.tables)) {
		if _, err := t.ExecContext(ctx, `DROP TABLE IF EXISTS `+table); err != nil { // a name that New has checked
			return explained(err)
		}
	}
	p.log.InfoContext(ctx, "a build of the read model is dropped", "build", b.label)
	return nil
}

// sweep deletes notes of builds that are gone.
func (p *Projection) sweep(ctx context.Context) error {
	const batch = 500 // so that no lock is held for long
	for {
		n, err := affected(p.DB.ExecContext(ctx, `DELETE FROM muster_projection_note WHERE (projection, build, source, id) IN
			(SELECT n.projection, n.build, n.source, n.id FROM muster_projection_build b
				JOIN muster_projection_note n ON n.projection = b.projection AND n.build = b.build
				WHERE b.projection = $1 AND b.state = '`+dropped+`' LIMIT $2)`, p.Name, batch))
		if err != nil || n < batch {
			return err
		}
	}
}

func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
