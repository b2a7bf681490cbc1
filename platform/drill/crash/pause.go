package crash

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// pause stops a replica that holds sagas for longer than its leases last, and wakes it.
// It does not know that it slept: what it writes then must be refused.
func (b *breaking) pause(ctx context.Context, r *rand.Rand) error {
	if len(b.Orchestrators) == 0 {
		return nil
	}
	o := b.Orchestrators[r.IntN(len(b.Orchestrators))]
	free, ok := b.reserve(ctx, []string{o.Service}, false)
	if !ok {
		return ctx.Err()
	}
	defer free()
	var ready []instance.Status
	if _, ok := live.Until(ctx, b.Settled, func() bool { ready = live.Ready(b.Fleet, o.Service); return len(ready) > 1 }); !ok {
		return errors.New(o.Service + " has less than two replicas that are ready")
	}
	victim := ready[r.IntN(len(ready))]
	var stopped Stopped
	var held []holding
	var at time.Time
	// What it holds changes in milliseconds: it is looked for when it stands.
	for began := time.Now(); ; {
		var err error
		at = time.Now()
		if stopped, err = b.Stop(ctx, victim.PID); err != nil {
			return err
		}
		held, err = o.held(ctx, victim.ID)
		if err != nil || len(held) > 0 && o.writable(ctx) || time.Since(began) > b.Settled {
			break
		}
		if _, err := stopped.Resume(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		if live.Pause(ctx, time.Duration(r.Int64N(int64(20*time.Millisecond)))) != nil {
			return ctx.Err()
		}
	}
	b.tell(at, "SIGSTOP of %s for %s, which holds %d sagas", victim.ID, b.Paused, len(held))
	early := live.Pause(ctx, b.Paused)
	overtaken := 0
	for _, h := range held {
		if taken, _, err := o.taken(ctx, h); err == nil && taken {
			overtaken++
		}
	}
	_, err := stopped.Resume(context.WithoutCancel(ctx)) // it must not stay stopped
	b.tell(time.Now(), "SIGCONT of %s; others have %d of its sagas", victim.ID, overtaken)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.result.Pauses++
	b.result.Held += len(held)
	b.result.Overtaken += overtaken
	return errors.Join(early, err)
}

// lockWait is how long a writer may be in the way.
const lockWait = 200 * time.Millisecond

// writable reports whether a database that is a file can be written: a process that was
// stopped in the middle of a write has the file's only lock, and nobody could go on.
func (o Orchestrator) writable(ctx context.Context) bool {
	if dialect, err := tx.DialectOf(o.DB); err != nil || dialect != tx.SQLite {
		return err == nil
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	t, err := o.DB.BeginTx(ctx, nil) // it takes the lock
	return err == nil && t.Rollback() == nil
}
