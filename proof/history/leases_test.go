package history_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/proof/history"
)

// Whoever holds a lease writes its fence, and goes on to when it was taken from him: by others, while
// he stood still, or with his connection.
func TestLeases(t *testing.T) {
	for engine, fresh := range engines() {
		t.Run(engine, func(t *testing.T) {
			open := fresh(t)
			pools := []*sql.DB{open(), open(), open()}
			dbtest.Succeed(t, lease.Migrate(t.Context(), pools[0]))
			dbtest.Execute(t, pools[0], `CREATE TABLE written (name TEXT PRIMARY KEY, fence BIGINT NOT NULL)`)
			var log history.Log
			faults, stop := context.WithCancel(t.Context())
			defer stop()
			if engine == "PostgreSQL" {
				go breaks(faults, pools[0])
			}
			play(t, pools, 24, func(ctx context.Context, db *sql.DB, client int, name string) {
				if rand.N(4) == 0 {
					log.Do(client, history.Look{Name: name}, func() any { return look(ctx, db, name) })
				}
				turn(ctx, &log, db, client, name)
			})
			judge(t, history.Leases(lease.Length), &log, 250)
		})
	}
}

// turn waits for a lease and works under it.
func turn(ctx context.Context, log *history.Log, db *sql.DB, client int, name string) {
	call := log.Began()
	took, letting := false, int64(0)
	err := lease.Run(ctx, db, name, "owner", func(_ context.Context, h lease.Held) error {
		took = true
		log.Add(client, history.Take{Name: name}, h.Fence, call)
		for range 1 + rand.N(4) {
			log.Do(client, history.Check{Name: name, Fence: h.Fence}, func() any { return check(ctx, db, h) })
			if rand.N(4) == 0 { // he stands still for longer than the lease
				log.Do(client, history.Let{Name: name}, func() any { return lapse(ctx, db, name) })
				pause(ctx, time.Duration(rand.N(1200))*time.Millisecond)
			}
		}
		letting = log.Began()
		return nil
	})
	switch {
	case took && err == nil: // and let go of, where the database could be told
		log.Add(client, history.Let{Name: name}, nil, letting)
	case !took: // it may have been taken, and let go of again, and nobody knows
		log.Add(client, history.Take{Name: name}, nil, call)
		log.Add(client, history.Let{Name: name}, nil, call)
	}
}

// check makes a transaction the holder's, and writes.
func check(ctx context.Context, db *sql.DB, h lease.Held) any {
	err := tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		if err := h.Check(ctx, t); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `INSERT INTO written (name, fence) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET fence = EXCLUDED.fence`, h.Name, h.Fence)
		return err
	})
	if err == nil || errors.Is(err, lease.ErrLost) {
		return err == nil
	}
	return nil
}

func lapse(ctx context.Context, db *sql.DB, name string) any {
	if _, err := db.ExecContext(ctx, `UPDATE muster_lease SET held_until = 1 WHERE name = $1`, name); err != nil {
		return nil
	}
	return true
}

func look(ctx context.Context, db *sql.DB, name string) any {
	var fence int64
	err := db.QueryRowContext(ctx, `SELECT fence FROM written WHERE name = $1`, name).Scan(&fence)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return fence
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
