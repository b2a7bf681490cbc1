// Package twophase commits one operation in several PostgreSQL databases of one team, in all of
// them or in none (two-phase commit with presumed abort: Mohan, Lindsay and Obermarck, 1986).
//
// It is for the rare case where nobody may ever see one half of an operation: for all else a saga
// (package saga) is cheaper and keeps services apart. A participant that has prepared holds its
// locks until it is told how the operation ended, however long that takes.
//
// The coordinator's own database is the place of the decision: the effect there, and the record
// that the operation is committed, are one transaction. So a crash at any point leaves either the
// record, and the participants are committed, or none, and they are rolled back. [Coordinator.Run] does that
// for what a crash left behind. It first records that the operation is rolled back, which a
// coordinator that was only paused meanwhile then finds in its way: it can commit no more.
package twophase

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

const (
	// DefaultPatience is the Patience of a coordinator that says none.
	DefaultPatience = time.Minute
	// Keep is how long it is recorded that an operation was rolled back. An operation that takes longer than
	// half of it is refused.
	Keep = 24 * time.Hour

	ending = 5 * time.Second // bounds what is done once the operation is decided
)

// Coordinator runs operations over its own database and those of participants. All replicas
// of a service have one each, with the same Name, and all may call Run. Its fields must not change
// once a method was called; its methods are safe for concurrent use.
type Coordinator struct {
	DB   *sql.DB // its own, PostgreSQL, with the tables of Migrate
	Name string  // of the service: 1 to 50 of a-z, 0-9 and -
	// Participants are the other databases by name (as Name), all PostgreSQL with
	// max_prepared_transactions above 0. One that is taken out while operations of it are under way
	// is left with what it has prepared.
	Participants map[string]*sql.DB
	// Patience is how old what is prepared must be before Run ends it: longer than any operation
	// takes, because one that takes longer is rolled back; 0: DefaultPatience.
	Patience time.Duration
	Log      *slog.Logger // nil: nothing is logged

	mu   sync.Mutex
	self string // the name of the database, once it is known
}

// Branches are the transactions of an operation at its participants.
type Branches struct {
	op *operation
}

// On returns the operation's transaction at a participant, begun at the first call. It ends
// with the operation, and must not be committed or rolled back otherwise. What PostgreSQL cannot prepare -
// temporary tables, LISTEN, NOTIFY, cursors WITH HOLD - fails when fn has returned.
func (b Branches) On(ctx context.Context, participant string) (tx.Tx, error) {
	return b.op.on(ctx, participant)
}

// Do runs an operation: what fn does in own, a transaction of the coordinator's database, and in
// its branches is committed everywhere, or nowhere when fn returns an error. With no branch it is one plain transaction.
//
// nil says that it is committed: a participant that is away by then commits when it is back, by
// Run. Errors are those of fn, those of the databases, and unavailable when the connection broke at the
// moment of the decision and the database cannot be asked what became of it: then Run ends it, the one way or the
// other. Repeat such an operation with an idempotency key.
func (c *Coordinator) Do(ctx context.Context, fn func(ctx context.Context, own tx.Tx, at Branches) error) error {
	self, err := c.ready(ctx)
	if err != nil {
		return err
	}
	op := &operation{Coordinator: c, id: rand.Text(), self: self}
	defer op.forsake()
	decided := false
	err = tx.Do(ctx, c.DB, func(ctx context.Context, own *sql.Tx) error {
		began, err := now(ctx, own)
		if err == nil {
			err = fn(ctx, own, Branches{op})
		}
		if err != nil || len(op.branches) == 0 {
			return err
		}
		if err := op.prepare(ctx); err != nil {
			return err
		}
		decided = true // from here on another may have to be asked
		return op.decide(ctx, own, began)
	})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ending)
	defer cancel()
	if err != nil && decided {
		committed, unknown := c.outcome(ctx, op.id)
		if unknown != nil {
			return problem.Wrap(errors.Join(err, unknown), problem.Unavailable, "it is not known whether the operation is committed; it will be ended, the one way or the other, within %s", c.patience())
		}
		if committed {
			err = nil
		}
	}
	op.end(ctx, err == nil)
	return err
}

// nameForm is what coordinators and participants may be called: it is part of what PostgreSQL is told to prepare.
var nameForm = regexp.MustCompile(`^[a-z0-9-]{1,50}$`)

// ready checks the fields and returns the name of the coordinator's database.
func (c *Coordinator) ready(ctx context.Context) (self string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.self != "" {
		return c.self, nil
	}
	if err := c.check(); err != nil {
		return "", err
	}
	if err := c.DB.QueryRowContext(ctx, `SELECT name FROM muster_twophase_self`).Scan(&self); err != nil {
		return "", explain(err)
	}
	c.self = self
	return self, nil
}

func (c *Coordinator) check() error {
	if c.DB == nil {
		return errors.New("twophase: the coordinator's database is nil: open it before")
	}
	if !nameForm.MatchString(c.Name) {
		return fmt.Errorf("twophase: the coordinator's name is %q: it takes 1 to 50 of a-z, 0-9 and -", c.Name)
	}
	for name, db := range c.all() {
		if db == nil {
			return fmt.Errorf("twophase: the participant %s has no database: open it before", name)
		}
		if name != "" && !nameForm.MatchString(name) {
			return fmt.Errorf("twophase: a participant's name is %q: it takes 1 to 50 of a-z, 0-9 and -", name)
		}
		dialect, err := tx.DialectOf(db)
		if err != nil {
			return err
		}
		if dialect != tx.Postgres {
			return fmt.Errorf("twophase: %s is %s: two-phase commit works between PostgreSQL databases; elsewhere use a saga", place(name), dialect)
		}
	}
	return nil
}

// all are the databases by name, the coordinator's own by none.
func (c *Coordinator) all() map[string]*sql.DB {
	all := map[string]*sql.DB{"": c.DB}
	maps.Copy(all, c.Participants)
	return all
}

func place(participant string) string {
	if participant == "" {
		return "the coordinator's database"
	}
	return "the participant " + participant
}

func (c *Coordinator) patience() time.Duration {
	if c.Patience > 0 {
		return c.Patience
	}
	return DefaultPatience
}

func (c *Coordinator) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log.With("coordinator", c.Name)
}

// names are the participants, in order.
func (c *Coordinator) names() []string {
	return slices.Sorted(maps.Keys(c.Participants))
}
