package table

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// At is a step of all sagas of a name.
type At struct {
	Name    string `json:"name"`
	Step    string `json:"step"`
	Undoing bool   `json:"undoing"` // its Undo
}

// At names the step that the saga is at.
func (r Row) At() At { return At{r.Name, r.Step, r.Undoing} }

func (a At) String() string {
	return a.Name + "/" + Row{Step: a.Step, Undoing: a.Undoing}.Place()
}

func (a At) args(more ...any) []any { return append([]any{a.Name, a.Step, number(a.Undoing)}, more...) }

// Held is a step that is held: sagas that come to it wait.
type Held struct {
	At

	Outcome string    `json:"outcome"` // of those that failed at it: fault or bug
	Error   string    `json:"error"`   // of one of them
	Sagas   int       `json:"sagas"`   // that failed before it was held
	Waiting int64     `json:"waiting"` // sagas that wait at it now; not told to Hold.Notice
	Since   time.Time `json:"since"`
	ProbeAt time.Time `json:"probe_at,omitzero"` // when one is let through to see; zero: only a person lifts it

	Alike string `json:"-"` // what the errors have in common
	Due   bool   `json:"-"` // the time of the probe has come
}

// rest is how long a saga that came to a held step is not looked at, if nobody lifts that.
const rest = 10 * time.Minute

const isAt = ` WHERE name = $1 AND step = $2 AND undoing = $3`

// atRest is a condition for the sagas that wait at a held step, or may.
const atRest = isAt + ` AND state IN ('running', 'compensating') AND owner = ''`

// Held returns the steps that are held.
func (s *Table) Held(ctx context.Context) (list []Held, err error) {
	rows, err := s.db.QueryContext(ctx, s.sql(`SELECT name, step, undoing, alike, outcome, error, sagas, since, probe_at,
		CASE WHEN probe_at > 0 AND probe_at <= NOW THEN 1 ELSE 0 END FROM muster_saga_hold WHERE lifted = 0 ORDER BY name, step, undoing`))
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var h Held
		var undoing, due int
		var since, probe int64
		if err := rows.Scan(&h.Name, &h.Step, &undoing, &h.Alike, &h.Outcome, &h.Error, &h.Sagas, &since, &probe, &due); err != nil {
			return nil, explain(err)
		}
		h.Undoing, h.Due, h.Since = undoing == 1, due == 1, time.UnixMilli(since).UTC()
		if probe > 0 {
			h.ProbeAt = time.UnixMilli(probe).UTC()
		}
		list = append(list, h)
	}
	return list, explain(rows.Err())
}

// Waiting returns how many sagas are at a step and nobody carries them on.
func (s *Table) Waiting(ctx context.Context, a At) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM muster_saga`+atRest, a.args()...).Scan(&n)
	return n, explain(err)
}

// Fault notes that a saga failed at a step, and returns how many did with such an error in
// that time, this one too. Of two that come together one counts both.
func (s *Table) Fault(ctx context.Context, r Row, alike string, within time.Duration) (n int, err error) {
	err = tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		_, err := t.ExecContext(ctx, `DELETE FROM muster_saga_fault`+isAt+` AND alike = $4 AND id = $5`, r.At().args(alike, r.ID)...)
		if err == nil {
			_, err = t.ExecContext(ctx, s.sql(`INSERT INTO muster_saga_fault (name, step, undoing, alike, id, at) VALUES ($1, $2, $3, $4, $5, NOW)
				ON CONFLICT (name, step, undoing, alike, id) DO NOTHING`), r.At().args(alike, r.ID)...)
		}
		return err
	})
	if err == nil {
		err = s.db.QueryRowContext(ctx, s.sql(`SELECT count(*) FROM muster_saga_fault`+isAt+` AND alike = $4 AND at > NOW - $5`),
			r.At().args(alike, within.Milliseconds())...).Scan(&n)
	}
	return n, explain(err)
}

// Forget deletes the notes of Fault that are older than that.
func (s *Table) Forget(ctx context.Context, within time.Duration) error {
	_, err := s.db.ExecContext(ctx, s.sql(`DELETE FROM muster_saga_fault WHERE at < NOW - $1`), within.Milliseconds())
	return explain(err)
}

// Stop holds a step; probe is when one is let through, 0: never. made is false where it is held already.
func (s *Table) Stop(ctx context.Context, h Held, probe time.Duration) (made bool, err error) {
	err = tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		made = false
		var lifted int64
		at := "0"
		if probe > 0 {
			at = fmt.Sprintf("NOW + %d", probe.Milliseconds())
		}
		err := t.QueryRowContext(ctx, s.sql(`SELECT lifted FROM muster_saga_hold`+isAt+` LOCK`), h.args()...).Scan(&lifted)
		var done sql.Result
		switch {
		case errors.Is(err, sql.ErrNoRows):
			done, err = t.ExecContext(ctx, s.sql(`INSERT INTO muster_saga_hold (name, step, undoing, alike, outcome, error, sagas, since, probe_at, probe, lifted, who, why)
				VALUES ($1, $2, $3, $4, $5, $6, $7, NOW, `+at+`, '', 0, '', '') ON CONFLICT (name, step, undoing) DO NOTHING`), h.args(h.Alike, h.Outcome, h.Error, h.Sagas)...)
		case err == nil && lifted > 0:
			done, err = t.ExecContext(ctx, s.sql(`UPDATE muster_saga_hold SET alike = $4, outcome = $5, error = $6, sagas = $7, since = NOW, probe_at = `+at+`,
				probe = '', lifted = 0, who = '', why = ''`+isAt+` AND lifted > 0`), h.args(h.Alike, h.Outcome, h.Error, h.Sagas)...)
		default:
			return err
		}
		own, err := written(done, err, ErrExists)
		made = own == nil && err == nil
		return err
	})
	return made, explain(err)
}

// anyone is the probe that the next saga which comes is to be.
const anyone = "*"

// hold locks a step that is held, and returns which saga is let through. held is false where it is not held any more.
func (s *Table) hold(ctx context.Context, t tx.Tx, a At) (probe string, held bool, err error) {
	err = t.QueryRowContext(ctx, s.sql(`SELECT probe FROM muster_saga_hold`+isAt+` AND lifted = 0 LOCK`), a.args()...).Scan(&probe)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return probe, err == nil, err
}

// Passage is what a saga finds that comes to a step which is held, as far as its holder knows.
type Passage int

// The passages.
const (
	Waits Passage = iota // it was let go of, and is carried on when the step is lifted
	Free                 // the step is not held any more
	Probe                // it is the one that is let through
)

// Park lets go of a saga at a held step, if that is still held and this is not the one
// that is to be let through. failed says that it was tried and may have had an effect if
// doubt: then it is not let through again. Who lifts the step finds it, or it finds that lifted.
func (s *Table) Park(ctx context.Context, r Row, failed, doubt bool) (p Passage, err error) {
	err = tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		probe, held, err := s.hold(ctx, t, r.At())
		switch {
		case err != nil:
			return err
		case !held && !failed:
			p = Free
			return nil
		case !failed && (probe == r.ID || probe == anyone):
			p = Probe
			_, err = t.ExecContext(ctx, `UPDATE muster_saga_hold SET probe = ''`+isAt, r.At().args()...)
			return err
		}
		p = Waits
		after := rest
		if !held { // lifted while it was tried
			after = 0
		}
		done, err := t.ExecContext(ctx, s.sql(`UPDATE muster_saga SET owner = '', leased_until = 0, next_at = NOW + $1, doubt = CASE WHEN $2 = 1 THEN 1 ELSE doubt END
			WHERE name = $3 AND id = $4 AND fence = $5 AND owner <> ''`), after.Milliseconds(), number(doubt), r.Name, r.ID, r.Fence)
		lost, err := written(done, err, ErrLost)
		return cmp.Or(err, lost)
	})
	return p, explain(err)
}

// Let has one saga come to a held step whose time for a probe has come, the one that waits longest,
// and sets the next time; did is false where another engine did.
func (s *Table) Let(ctx context.Context, a At, next time.Duration) (did bool, err error) {
	err = tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		did = false
		var due int
		err := t.QueryRowContext(ctx, s.sql(`SELECT CASE WHEN probe_at <= NOW THEN 1 ELSE 0 END FROM muster_saga_hold`+isAt+` AND lifted = 0 AND probe_at > 0 LOCK`), a.args()...).Scan(&due)
		if errors.Is(err, sql.ErrNoRows) || err == nil && due == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		id := anyone
		err = t.QueryRowContext(ctx, s.sql(`SELECT id FROM muster_saga`+atRest+` ORDER BY next_at LIMIT 1 SKIP`), a.args()...).Scan(&id)
		if err == nil {
			_, err = t.ExecContext(ctx, s.sql(`UPDATE muster_saga SET next_at = NOW WHERE name = $1 AND id = $2 AND owner = ''`), a.Name, id)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err = t.ExecContext(ctx, s.sql(`UPDATE muster_saga_hold SET probe = $4, probe_at = NOW + $5`+isAt), a.args(id, next.Milliseconds())...)
		did = err == nil
		return err
	})
	return did, explain(err)
}

// Lift has the sagas at a held step go on, and returns how many wait there. who and why are kept until
// it is held again. Where it is not held the error says so.
func (s *Table) Lift(ctx context.Context, a At, who, why string) (n int64, err error) {
	err = tx.Again(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		_, held, err := s.hold(ctx, t, a)
		if err != nil {
			return err
		}
		if !held {
			return problem.New(problem.FailedPrecondition, "step %s is not held: there is nothing to resume", a)
		}
		if _, err = t.ExecContext(ctx, s.sql(`UPDATE muster_saga_hold SET lifted = NOW, probe = '', who = $4, why = $5`+isAt), a.args(who, why)...); err != nil {
			return err
		}
		if _, err = t.ExecContext(ctx, `DELETE FROM muster_saga_fault`+isAt, a.args()...); err != nil {
			return err
		}
		done, err := t.ExecContext(ctx, s.sql(`UPDATE muster_saga SET next_at = NOW`+atRest+` AND next_at > NOW`), a.args()...)
		if err == nil {
			n, err = done.RowsAffected()
		}
		return err
	})
	return n, explain(err)
}
