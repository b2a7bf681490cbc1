package projection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/tx"
)

const (
	near   = 2 * time.Second // a build is near its end when what it has not had is younger
	doubt  = 2 * time.Second // how much the ages that broker and database tell may differ
	stands = time.Second     // the longest a build that is read stands still for another to take its place
)

var errNotYet = errors.New("projection: the build has not all that the one before it has")

// judge puts a build in the place of the one before it if it is complete, and otherwise says why not.
func (p *Projection) judge(ctx context.Context, h lease.Held, b build, all []build) (hindered bool, err error) {
	m := p.running()[b.label]
	if m == nil {
		return false, nil // it is about to begin
	}
	began := time.Now()
	asked, cancel := context.WithTimeout(ctx, patience)
	lag, err := m.consumer.Lag(asked)
	cancel()
	if err != nil || lag.Messages > 0 && lag.Oldest > near {
		return false, nil //nolint:nilerr // the broker is away, or it has much to do
	}
	before := read(all, b.code)
	if !b.accepted {
		why, err := p.hindrance(ctx, b, before, lag.Oldest+doubt+time.Since(began))
		if err != nil {
			return false, err
		}
		if why != b.hindrance {
			if why != "" {
				p.log.ErrorContext(ctx, "a build of the read model does not take the place of the one before it", "build", b.label, "why", why)
			}
			_, err := p.DB.ExecContext(ctx, `UPDATE muster_projection_build SET hindrance = $1 WHERE projection = $2 AND build = $3`, why, p.Name, b.label)
			if err != nil {
				return false, explained(err)
			}
		}
		if why != "" {
			return true, nil
		}
	}
	err = p.swap(ctx, h, b, before)
	switch refused, ok := errors.AsType[*incomplete](err); {
	case ok:
		p.log.ErrorContext(ctx, "a build of the read model is not complete", "build", b.label, "error", refused)
		_, err := p.DB.ExecContext(ctx, `UPDATE muster_projection_build SET hindrance = $1 WHERE projection = $2 AND build = $3`, refused.Error(), p.Name, b.label)
		return true, explained(err)
	case errors.Is(err, errNotYet):
		return false, nil
	}
	return false, err
}

// incomplete is what Config.Complete says.
type incomplete struct{ error }

func (e *incomplete) Unwrap() error { return e.error }

// absent selects the notes of build $2 that build $3 lacks.
const absent = ` FROM muster_projection_note n WHERE n.projection = $1 AND n.build = $2
	AND NOT EXISTS (SELECT 1 FROM muster_projection_note o WHERE o.projection = $1 AND o.build = $3 AND o.source = n.source AND o.id = n.id)`

// hindrance says what keeps a build that has caught up from being read; "" for nothing.
//
// An event that the build before it applied longer ago than anything the broker still has for this one is old, and that
// this one has not, will not come: the broker has dropped it.
func (p *Projection) hindrance(ctx context.Context, b build, before *build, age time.Duration) (string, error) {
	label := ""
	if before != nil {
		label = before.label
	}
	var n int
	var first string
	err := p.DB.QueryRowContext(ctx, `SELECT count(*), COALESCE(min(f.topic || ' ' || f.id || ': ' || f.error), '') FROM muster_projection_failed f
		WHERE f.projection = $1 AND f.build = $3
		AND NOT EXISTS (SELECT 1 FROM muster_projection_note o WHERE o.projection = $1 AND o.build = $3 AND o.source = f.source AND o.id = f.id)
		AND (CAST($2 AS text) = '' OR EXISTS (SELECT 1 FROM muster_projection_note o WHERE o.projection = $1 AND o.build = $2 AND o.source = f.source AND o.id = f.id))`,
		p.Name, label, b.label).Scan(&n, &first)
	if err != nil {
		return "", explained(err)
	}
	if n > 0 {
		return fmt.Sprintf("%d events failed, such as %s", n, first), nil
	}
	if before == nil {
		return "", nil
	}
	old := `SELECT n.topic, n.source, count(*), min(n.id)` + absent + ` AND n.handled < ` + p.dialect.Now() + ` - $4 GROUP BY n.topic, n.source ORDER BY n.topic, n.source` //nolint:gosec // a constant of the dialect
	rows, err := p.DB.QueryContext(ctx, old, p.Name, label, b.label, age.Milliseconds())
	if err != nil {
		return "", explained(err)
	}
	defer rows.Close()
	why := ""
	for rows.Next() {
		var topic, source, id string
		if err := rows.Scan(&topic, &source, &n, &id); err != nil {
			return "", explained(err)
		}
		if p.handles(topic) && why == "" {
			why = fmt.Sprintf("%d events %s of %s that %s has are missing, such as %s: the broker has them no more, or they wait behind one that failed", n, topic, source, label, id)
		}
	}
	return why, explained(rows.Err())
}

// swap makes a build the one that is read, in one transaction in which it is seen to have each event that the one before it has. That one stands
// still for a moment, or the two would run neck and neck.
func (p *Projection) swap(ctx context.Context, h lease.Held, b build, before *build) error {
	if before != nil {
		if err := p.still(ctx, *before, stands); err != nil {
			return err
		}
		defer func() {
			bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
			defer cancel()
			_ = p.still(bounded, *before, 0) // else it ends by itself
		}()
	}
	for end := time.Now().Add(stands * 4 / 5); ; {
		if before != nil {
			pause(ctx, again, nil) // in which what was under way comes to its end
		}
		err := p.do(ctx, func(ctx context.Context, t tx.Tx) error { return p.swapped(ctx, t, h, b, before) })
		if !errors.Is(err, errNotYet) || time.Now().After(end) || ctx.Err() != nil {
			if err == nil {
				p.log.InfoContext(ctx, "a build of the read model is read from now on", "build", b.label, "accepted", b.accepted)
				p.changed()
				p.wake()
			}
			return err
		}
	}
}

func (p *Projection) still(ctx context.Context, b build, d time.Duration) error {
	stop := `UPDATE muster_projection_build SET paused = ` + p.dialect.Now() + ` + $1 WHERE projection = $2 AND build = $3` //nolint:gosec // a constant of the dialect
	_, err := p.DB.ExecContext(ctx, stop, d.Milliseconds(), p.Name, b.label)
	return explained(err)
}

func (p *Projection) swapped(ctx context.Context, t tx.Tx, h lease.Held, b build, before *build) error {
	if err := h.Check(ctx, t); err != nil {
		return err
	}
	if before != nil && !b.accepted {
		if err := p.hasAll(ctx, t, b, *before); err != nil {
			return err
		}
	}
	if p.Complete != nil && !b.accepted {
		if err := p.Complete(ctx, t, b.view()); err != nil {
			return &incomplete{err}
		}
	}
	n, err := affected(t.ExecContext(ctx, `UPDATE muster_projection_build SET state = '`+live+`', swapped = `+p.dialect.Now()+`, hindrance = '' WHERE projection = $1 AND build = $2 AND state = '`+building+`'`, p.Name, b.label))
	if err == nil && n == 0 {
		return errNotYet // it was given up meanwhile
	}
	return err
}

// hasAll fails with errNotYet where the one before has an event of this code's topics that b has not.
func (p *Projection) hasAll(ctx context.Context, t tx.Tx, b, before build) error {
	rows, err := t.QueryContext(ctx, `SELECT DISTINCT n.topic`+absent, p.Name, before.label, b.label)
	if err != nil {
		return explained(err)
	}
	defer rows.Close()
	lacks := false
	for rows.Next() {
		var topic string
		if err := rows.Scan(&topic); err != nil {
			return explained(err)
		}
		lacks = lacks || p.handles(topic)
	}
	if err := rows.Err(); err != nil || !lacks {
		return explained(err)
	}
	return errNotYet
}
