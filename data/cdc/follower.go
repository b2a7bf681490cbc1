package cdc

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
)

// How a follower goes.
const (
	most        = 500              // changes of one transaction
	waits       = time.Second      // for changes
	restSaved   = 10 * time.Second // how often the position is written down while nothing changes
	reminded    = time.Minute      // how often it is said that a loss waits for a person
	failedPause = time.Second
)

// Follower follows a source. Each replica of a service runs one; a lease lets one of them work at a time. The fields
// must not change once Run was called.
type Follower struct {
	DB     *sql.DB // with the tables of Migrate; what the handler makes is in it
	Source Source
	Name   string // of what is followed, one of its database and of the source: 1 to 40 of a-z, 0-9 and _, a letter first
	Handle Handler
	Owner  string       // the instance, as the lease shows it; "" becomes a random name
	Log    *slog.Logger // nil: nowhere
}

var names = regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`) //nolint:gochecknoglobals // a constant

// The states.
const (
	copying   = "copying"
	following = "following"
	lost      = "lost"
)

// Run copies and then follows until ctx ends, and returns nil then. Failures of the databases and errors of the
// handler are logged, and tried again with the same changes; nothing is skipped. After a crash in the middle of copying
// everything is copied anew, and the handler is told so by Begin. Where the source has lost a part of its log Run says so, and waits
// until a person has everything copied anew ([Recopy]). An error is returned for what no further try can
// mend: a missing field or table, a source that is not set up.
func (f *Follower) Run(ctx context.Context) error {
	switch {
	case f.DB == nil:
		return errors.New("cdc: the database is nil: open it before")
	case f.Source == nil || f.Handle == nil:
		return errors.New("cdc: the follower has no Source or no Handle")
	case !names.MatchString(f.Name):
		return fmt.Errorf("cdc: the name %.60q: use 1 to 40 of a-z, 0-9 and _, a letter first", f.Name)
	}
	log := cmp.Or(f.Log, slog.New(slog.DiscardHandler)).With("cdc", f.Name)
	owner := cmp.Or(f.Owner, rand.Text())
	for ctx.Err() == nil {
		err := lease.Run(ctx, f.DB, "cdc-"+f.Name, owner, func(ctx context.Context, h lease.Held) error {
			return (&work{Follower: f, held: h, log: log}).run(ctx)
		})
		if _, unfit := errors.AsType[*SetupError](err); unfit || migrate.Missing(err, "muster_") {
			return err
		}
		if ctx.Err() == nil {
			log.ErrorContext(ctx, "changes are not followed, and will be", "error", err, "in", failedPause)
			pause(ctx, failedPause)
		}
	}
	return nil
}

// work is a follower that has the lease.
type work struct {
	*Follower

	held   lease.Held
	log    *slog.Logger
	shapes map[string]Table
}

// row is that of muster_cdc.
type row struct {
	state, lost, shapes string
	position            Position
}

func (w *work) read(ctx context.Context) (r row, err error) {
	err = w.DB.QueryRowContext(ctx, `SELECT state, position, shapes, lost FROM muster_cdc WHERE name = $1`, w.Name).Scan(&r.state, &r.position, &r.shapes, &r.lost)
	if errors.Is(err, sql.ErrNoRows) {
		return row{}, nil
	}
	return r, explain(err)
}

func (w *work) run(ctx context.Context) error {
	var said time.Time
	for ctx.Err() == nil {
		r, err := w.read(ctx)
		if err != nil {
			return err
		}
		if r.state != lost {
			said = time.Time{} // another loss is said at once
		}
		switch r.state {
		case lost:
			if time.Since(said) > reminded {
				said = time.Now()
				w.log.ErrorContext(ctx, "nothing is followed: a part of the source's log cannot be read any more; everything waits until a person has it copied anew (cdc.Recopy)", "why", r.lost)
			}
			pause(ctx, waits)
			continue
		case following:
			err = w.follow(ctx, r)
		default:
			err = w.copy(ctx)
		}
		if gone, ok := errors.AsType[*LostError](err); ok {
			err = w.save(ctx, func(ctx context.Context, t tx.Tx) error {
				_, err := t.ExecContext(ctx, `UPDATE muster_cdc SET state = '`+lost+`', lost = $1 WHERE name = $2`, gone.Why, w.Name)
				return explain(err)
			})
		}
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// copy reads all rows.
func (w *work) copy(ctx context.Context) (err error) {
	c, err := w.Source.Copy(ctx, w.Name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	w.shapes = map[string]Table{}
	for _, t := range c.Tables() {
		w.shapes[t.Name] = t
	}
	w.log.InfoContext(ctx, "everything is copied", "tables", len(w.shapes))
	changes, rows := []Change{{Op: Begin}}, 0
	for state := copying; ; {
		err := w.save(ctx, func(ctx context.Context, t tx.Tx) error {
			if err := w.write(ctx, t, state, c.End()); err != nil {
				return err
			}
			if len(changes) == 0 {
				return nil
			}
			return w.Handle(ctx, t, changes)
		})
		if err != nil {
			return err
		}
		if state == following {
			w.log.InfoContext(ctx, "everything is copied, and changes are followed", "rows", rows)
			return nil
		}
		if changes, err = c.Next(ctx); err != nil {
			return err
		}
		rows += len(changes)
		if len(changes) == 0 {
			state = following
		}
	}
}

// write notes how far it is.
func (w *work) write(ctx context.Context, t tx.Tx, state string, at Position) error {
	shapes, err := json.Marshal(w.shapes)
	if err != nil {
		return fmt.Errorf("cdc: %w", err)
	}
	_, err = t.ExecContext(ctx, `INSERT INTO muster_cdc (name, state, position, shapes) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name) DO UPDATE SET state = excluded.state, position = excluded.position, shapes = excluded.shapes, lost = ''`, w.Name, state, string(at), string(shapes))
	return explain(err)
}

var errAnew = errors.New("cdc: a person has it copied anew")

// move notes how far following is.
func (w *work) move(ctx context.Context, t tx.Tx, to Position) error {
	shapes, err := json.Marshal(w.shapes)
	if err != nil {
		return fmt.Errorf("cdc: %w", err)
	}
	res, err := t.ExecContext(ctx, `UPDATE muster_cdc SET position = $1, shapes = $2 WHERE name = $3 AND state = '`+following+`'`, string(to), string(shapes), w.Name)
	if err != nil {
		return explain(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, errAnew)
	}
	return nil
}

// follow has the effect of every change.
func (w *work) follow(ctx context.Context, r row) (err error) {
	if err := json.Unmarshal([]byte(r.shapes), &w.shapes); err != nil {
		return fmt.Errorf("cdc: the shapes in muster_cdc of %s cannot be read: %w", w.Name, err)
	}
	s, err := w.Source.Follow(ctx, w.Name, r.position)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	saved, last := r.position, time.Now()
	for {
		changes, end, err := s.Next(ctx, waits, most)
		if err != nil {
			return err
		}
		changes = w.compare(ctx, changes)
		if len(changes) == 0 && (end == saved || time.Since(last) < restSaved) {
			if now, err := w.read(ctx); err != nil || now.state != following {
				return err
			}
			continue
		}
		err = w.save(ctx, func(ctx context.Context, t tx.Tx) error {
			if err := w.move(ctx, t, end); err != nil || len(changes) == 0 {
				return err
			}
			return w.Handle(ctx, t, changes)
		})
		if errors.Is(err, errAnew) {
			return nil
		}
		if err != nil {
			return err
		}
		saved, last = end, time.Now()
		s.Confirm(end)
	}
}

// compare keeps of the Reshapes those that tell something new.
func (w *work) compare(ctx context.Context, changes []Change) (kept []Change) {
	for _, c := range changes {
		if c.Op == Reshape {
			was, there := w.shapes[c.Table.Name]
			w.shapes[c.Table.Name] = *c.Table
			told := differences(was.Columns, c.Table.Columns)
			if there && told == "" {
				continue
			}
			if there {
				c.Was = &was
				w.log.WarnContext(ctx, "a table has other columns than before", "table", c.Table.Name, "changes", told)
			} else {
				w.log.WarnContext(ctx, "there is a table that was not copied: its rows of before are missing", "table", c.Table.Name)
			}
		}
		kept = append(kept, c)
	}
	return kept
}

// save does what must be done by the holder of the lease alone.
func (w *work) save(ctx context.Context, fn func(ctx context.Context, t tx.Tx) error) error {
	return tx.Do(ctx, w.DB, func(ctx context.Context, t *sql.Tx) error {
		if err := w.held.Check(ctx, t); err != nil {
			return err
		}
		return fn(ctx, t)
	})
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
