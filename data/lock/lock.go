// Package lock marks what a saga is at work on. A saga has no isolation: between its steps
// others see, and may change, what it has half done. A step takes a lock on an order, a seat
// or an account in the transaction of its effect, the saga keeps it over its steps, and the
// last one, or the undoing of the first, gives it back: whoever else would change the entity meets
// the lock and fails, or comes again (the semantic lock of Garcia-Molina and Salem, 1987).
//
// A lock is a row of the service's database and holds against those who ask for it, no one else. It is not for
// leaders or workers: see package lease.
package lock

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

//go:embed schema
var schema embed.FS

// DefaultKeep is how long a lock is held at most where Locks does not say.
const DefaultKeep = 24 * time.Hour

// Again is when who met a lock is told to come again.
const Again = 200 * time.Millisecond

var errNoDB = errors.New("lock: the database is nil: open it before")

// Migrate creates the table muster_lock in db or brings it up to date. Any number of
// processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	if db == nil {
		return errNoDB
	}
	return migrate.Own(ctx, db, schema, "muster_lock_version")
}

// Locks are the locks of one database. Its zero value is usable but for DB, and it is safe for
// concurrent use.
type Locks struct {
	DB *sql.DB // with the table of Migrate
	// Wait has who meets a lock come again: the error of Take is one that a saga's step tries
	// again after. Without it that error is a refusal, and the saga is compensated. Who
	// waits holds what he took before in other steps: let all take their locks in one
	// order of entities, or two wait for each other until Keep ends.
	Wait bool
	// Keep is when a lock ends that nobody gave back, by the database's clock: longer than
	// any saga should take; 0: DefaultKeep. Taking it again begins anew.
	Keep time.Duration
}

// Take locks entities for owner in the caller's transaction, all or none: in the order of their names,
// so that no two who ask for the same wait for each other. Those that owner has he keeps; those whose
// time has ended are taken over. owner is the saga, see saga.Call.Owner.
//
// An entity of another owner is a problem: conflict, 409, with the entity and its owner as meta, and Retry-After where
// Wait is set. The transaction is to be rolled back then.
func (l *Locks) Take(ctx context.Context, t tx.Tx, owner string, entities ...string) error {
	now, err := l.now(owner, entities)
	if err != nil {
		return err
	}
	keep := cmp.Or(max(l.Keep, 0), DefaultKeep)
	for _, entity := range ordered(entities) {
		got, err := take(ctx, t, now, entity, owner, keep)
		if err != nil {
			return err
		}
		if !got {
			return l.met(ctx, t, entity)
		}
	}
	return nil
}

// take takes over a lock where it may, or one that nobody has. In this order: a row that an insert has met
// MariaDB keeps for reading, and two who then want to change it wait for each other.
func take(ctx context.Context, t tx.Tx, now, entity, owner string, keep time.Duration) (got bool, err error) {
	n, err := affected(t.ExecContext(ctx, `UPDATE muster_lock SET owner = $2, held_until = `+now+` + $3 WHERE entity = $1 AND (owner = $2 OR held_until <= `+now+`)`,
		entity, owner, keep.Milliseconds()))
	if err != nil || n == 1 {
		return err == nil, err
	}
	n, err = affected(t.ExecContext(ctx, `INSERT INTO muster_lock (entity, owner, held_until) VALUES ($1, $2, `+now+` + $3) ON CONFLICT (entity) DO NOTHING`,
		entity, owner, keep.Milliseconds()))
	return n == 1, err
}

// Free is for who changes entities, in the caller's transaction, without a lock of his own: it fails as Take does where
// one of them is locked for another than owner, which may be "" for nobody. A
// lock that is taken at the same moment, and not committed yet, it does not see: who must not
// miss it takes the lock himself.
func (l *Locks) Free(ctx context.Context, t tx.Tx, owner string, entities ...string) error {
	now, err := l.now(cmp.Or(owner, "nobody"), entities)
	if err != nil {
		return err
	}
	for _, entity := range ordered(entities) {
		var held int
		if err := t.QueryRowContext(ctx, `SELECT count(*) FROM muster_lock WHERE entity = $1 AND owner <> $2 AND held_until > `+now, entity, owner).Scan(&held); err != nil {
			return explain(err)
		}
		if held > 0 {
			return l.met(ctx, t, entity)
		}
	}
	return nil
}

// Release gives back entities that owner has, in the caller's transaction; with none, all of his. What he does not have
// is no error: a lock may have ended. MariaDB keeps its row until [Locks.Sweep].
func (l *Locks) Release(ctx context.Context, t tx.Tx, owner string, entities ...string) error {
	if l.DB == nil {
		return errNoDB
	}
	dialect, err := tx.DialectOf(l.DB)
	if err != nil {
		return err
	}
	release := `DELETE FROM muster_lock WHERE owner = $1`
	if dialect == tx.MySQL { // of those who wait for a row that is deleted, and want to insert it, it ends all but one as deadlocks
		release = `UPDATE muster_lock SET held_until = 0 WHERE owner = $1`
	}
	if len(entities) == 0 {
		_, err := affected(t.ExecContext(ctx, release, owner))
		return err
	}
	for _, entity := range ordered(entities) {
		if _, err := affected(t.ExecContext(ctx, release+` AND entity = $2`, owner, entity)); err != nil {
			return err
		}
	}
	return nil
}

// Sweep deletes locks whose time has ended, and returns how many. They hold against nobody: this
// is for the room they take.
func (l *Locks) Sweep(ctx context.Context) (int64, error) {
	now, err := l.now("sweep", nil)
	if err != nil {
		return 0, err
	}
	return affected(l.DB.ExecContext(ctx, `DELETE FROM muster_lock WHERE held_until <= `+now))
}

// now is the clock of the database as SQL, when what is asked for can be.
func (l *Locks) now(owner string, entities []string) (string, error) {
	if l.DB == nil {
		return "", errNoDB
	}
	if owner == "" || slices.Contains(entities, "") {
		return "", fmt.Errorf("lock: entities %q for owner %q: neither may be empty", entities, owner)
	}
	dialect, err := tx.DialectOf(l.DB)
	return dialect.Now(), err
}

func ordered(entities []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(entities)))
}

// met says whose a lock is.
func (l *Locks) met(ctx context.Context, t tx.Tx, entity string) error {
	var owner string
	err := t.QueryRowContext(ctx, `SELECT owner FROM muster_lock WHERE entity = $1`, entity).Scan(&owner)
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // it has just been given back
		return explain(err)
	}
	p := problem.New(problem.Conflict, "%s is being changed by %s", entity, cmp.Or(owner, "another")).WithMeta("entity", entity).WithMeta("owner", owner)
	if l.Wait {
		p = p.WithRetryAfter(Again)
	}
	return p
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, explain(err)
	}
	return res.RowsAffected()
}

func explain(err error) error {
	if migrate.Missing(err, "muster_lock") {
		return fmt.Errorf("lock: the table muster_lock is missing: call lock.Migrate before: %w", err)
	}
	return fmt.Errorf("lock: %w", err)
}
