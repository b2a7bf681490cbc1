package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// advisoryLock is the key goose's own session lock uses by default, so that the two
// exclude each other.
const advisoryLock = 4097083626

// The pauses between two tries for the advisory lock. Waiting inside PostgreSQL
// would hold a snapshot, on which CREATE INDEX CONCURRENTLY of the one who migrates
// waits in turn.
const (
	firstPause = 20 * time.Millisecond
	longPause  = 500 * time.Millisecond
)

// locked runs work while no other process migrates. When done, which may be nil,
// says there is nothing to do, no lock is taken.
func (s Set) locked(ctx context.Context, db *sql.DB, done func(*runner) (bool, error), work func(*runner) error) error {
	r, err := s.runner(ctx, db)
	if err != nil {
		return err
	}
	defer r.close()
	if done != nil {
		if yes, err := done(r); err != nil || yes {
			return err
		}
	}
	unlock, err := r.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return work(r)
}

func (r *runner) lock(ctx context.Context) (unlock func(), err error) {
	if r.dialect == tx.SQLite {
		return r.lockSQLite(ctx)
	}
	begin := time.Now()
	for pause := firstPause; ; pause = min(pause*2, longPause) {
		var got bool
		err := r.conn.QueryRowContext(ctx, r.engine.lock, r.engine.name).Scan(&got)
		if err == nil && got {
			return func() {
				_, _ = r.conn.ExecContext(context.WithoutCancel(ctx), r.engine.unlock, r.engine.name) // else the end of the connection does it
			}, nil
		}
		if err == nil {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
				continue
			case <-ctx.Done():
				timer.Stop()
				err = ctx.Err()
			}
		}
		return nil, fmt.Errorf("migrate: waited %s for the lock, which another process holds to migrate: %w", time.Since(begin).Round(time.Millisecond), err)
	}
}

// lockSQLite keeps the write lock where the driver can. With another driver each
// migration takes it by itself, which suffices for all but files with NO TRANSACTION.
func (r *runner) lockSQLite(ctx context.Context) (unlock func(), err error) {
	unlock = func() {}
	err = r.conn.Raw(func(raw any) (err error) {
		if keeper, ok := raw.(interface {
			KeepWriteLock(ctx context.Context) (func(), error)
		}); ok {
			unlock, err = keeper.KeepWriteLock(ctx)
		}
		return err
	})
	return unlock, err
}
