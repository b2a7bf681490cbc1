package twophase

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// operation is one call of Do.
type operation struct {
	*Coordinator
	id, self string
	branches []*branch
}

// branch is its part at one participant.
type branch struct {
	participant string
	db          *sql.DB
	tx          *sql.Tx
	cancel      context.CancelFunc // of tx
	asked       bool               // it may be prepared
}

func (op *operation) on(ctx context.Context, participant string) (tx.Tx, error) {
	for _, b := range op.branches {
		if b.participant == participant {
			return b.tx, nil
		}
	}
	db := op.Participants[participant]
	if db == nil {
		return nil, fmt.Errorf("twophase: there is no participant %q; there are %s", participant, strings.Join(op.names(), ", "))
	}
	ctx, cancel := context.WithCancel(ctx)
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("twophase: %s: %w", place(participant), err)
	}
	op.branches = append(op.branches, &branch{participant: participant, db: db, tx: t, cancel: cancel})
	return t, nil
}

// gid names what a participant is told to prepare.
func (c *Coordinator) gid(self, id, participant string) string {
	return strings.Join([]string{"muster", c.Name, self, id, participant}, ":")
}

func (op *operation) prepare(ctx context.Context) error {
	for _, b := range op.branches {
		b.asked = true
		// names and ids have no quotes; and a statement of this kind takes no parameters
		_, err := b.tx.ExecContext(ctx, `PREPARE TRANSACTION '`+op.gid(op.self, op.id, b.participant)+`'`)
		if err == nil {
			continue
		}
		if tx.SQLState(err) == notReady {
			return disabled(b.participant, err)
		}
		return fmt.Errorf("twophase: %s could not prepare: %w", place(b.participant), err)
	}
	return nil
}

// notReady is object_not_in_prerequisite_state: prepared transactions are disabled.
const notReady = "55000"

func disabled(participant string, err error) error {
	return problem.Wrap(err, problem.FailedPrecondition, "%s prepares nothing: set max_prepared_transactions there to at least the number of operations at a time, and start it again", place(participant))
}

func now(ctx context.Context, q interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
},
) (now int64, err error) {
	return now, explain(q.QueryRowContext(ctx, clock(`SELECT NOW`)).Scan(&now))
}

// decide records in the operation's own transaction that it is committed. That fails when Run has
// recorded the contrary.
func (op *operation) decide(ctx context.Context, own tx.Tx, began int64) error {
	names := make([]string, len(op.branches))
	for i, b := range op.branches {
		names[i] = b.participant
	}
	res, err := own.ExecContext(ctx, clock(`INSERT INTO muster_twophase (id, commits, branches, decided)
		SELECT CAST($1 AS text), 1, CAST($2 AS text), NOW WHERE NOW - CAST($3 AS bigint) < CAST($4 AS bigint) ON CONFLICT (id) DO NOTHING`),
		op.id, strings.Join(names, " "), began, (Keep / 2).Milliseconds())
	if err != nil {
		return explain(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, problem.New(problem.Conflict, "the operation took longer than %s and was rolled back everywhere", op.patience()))
	}
	return nil
}

// end tells the participants how the operation ended, all at once: of one that hangs the others know nothing.
func (op *operation) end(ctx context.Context, committed bool) {
	var told sync.WaitGroup
	var missed atomic.Bool
	for _, b := range op.branches {
		told.Go(func() {
			b.release(ctx)
			if !b.asked {
				return
			}
			gone, err := finish(ctx, b.db, op.gid(op.self, op.id, b.participant), committed)
			switch {
			case err != nil:
				missed.Store(true)
				op.log().WarnContext(ctx, "a participant could not be told how an operation ended; it keeps its locks until it is", "participant", b.participant, "operation", op.id, "committed", committed, "error", err)
			case gone && committed:
				op.log().ErrorContext(ctx, "what a participant had prepared was gone before it could be committed: unless another replica was faster, somebody ended it by hand", "participant", b.participant, "operation", op.id)
			}
		})
	}
	told.Wait()
	if !committed || missed.Load() {
		return
	}
	if err := op.forget(ctx, op.id); err != nil {
		op.log().WarnContext(ctx, "the record of an operation that ended everywhere stays for a while", "operation", op.id, "error", err)
	}
}

// forsake has the participants roll back what is neither prepared nor ended: of an operation of which nobody knows how it
// ended, or whose function panicked.
func (op *operation) forsake() {
	for _, b := range op.branches {
		b.cancel()
	}
}

// release gives the connection back. What is prepared stays, what is not is rolled back.
func (b *branch) release(ctx context.Context) {
	defer context.AfterFunc(ctx, b.cancel)() // of one that hangs it is not waited for
	_ = b.tx.Rollback()                      // what it leaves behind Run ends
}

// finish ends what a participant has prepared; one that hangs is not waited for. gone reports that there is no such thing (any more).
func finish(ctx context.Context, db *sql.DB, gid string, commit bool) (gone bool, err error) {
	verb := `ROLLBACK`
	if commit {
		verb = `COMMIT`
	}
	const undefinedObject = "42704"
	ctx, cancel := context.WithTimeout(ctx, ending)
	defer cancel()
	_, err = db.ExecContext(ctx, verb+` PREPARED '`+strings.ReplaceAll(gid, "'", "''")+`'`)
	if tx.SQLState(err) == undefinedObject {
		return true, nil
	}
	return false, err
}

func (c *Coordinator) forget(ctx context.Context, id string) error {
	_, err := c.DB.ExecContext(ctx, `DELETE FROM muster_twophase WHERE id = $1 AND commits = 1`, id)
	return explain(err)
}

// outcome returns how an operation ended. One that is not decided yet is rolled back, for good:
// a row of it that is about to be committed is waited for, and whoever comes after this finds it in his way.
func (c *Coordinator) outcome(ctx context.Context, id string) (committed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, ending)
	defer cancel()
	var commits int
	err = tx.Do(ctx, c.DB, func(ctx context.Context, t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `SET LOCAL lock_timeout = '`+fmt.Sprint((2*time.Second).Milliseconds())+`'`); err != nil { // of a coordinator that hangs
			return err
		}
		if _, err := t.ExecContext(ctx, clock(`INSERT INTO muster_twophase (id, commits, branches, decided) VALUES ($1, 0, '', NOW) ON CONFLICT (id) DO NOTHING`), id); err != nil {
			return err
		}
		return t.QueryRowContext(ctx, `SELECT commits FROM muster_twophase WHERE id = $1`, id).Scan(&commits)
	})
	return commits == 1, explain(err)
}

// clock writes the database's time into a statement.
func clock(query string) string { return strings.ReplaceAll(query, "NOW", tx.Postgres.Now()) }
