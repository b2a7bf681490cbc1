package history_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/proof/history"
)

var errOwn = errors.New("its function fails")

// Requests with the same keys, in one transaction and in several, some of them others than the key was
// first used for, some given up in the middle.
func TestKeys(t *testing.T) {
	for engine, fresh := range engines() {
		t.Run(engine, func(t *testing.T) {
			open := fresh(t)
			pools := []*sql.DB{open(), open(), open()}
			dbtest.Succeed(t, idempotency.Migrate(t.Context(), pools[0]))
			dbtest.Execute(t, pools[0], `CREATE TABLE effect (key TEXT NOT NULL, own TEXT NOT NULL)`)
			var log history.Log
			faults, stop := context.WithCancel(t.Context())
			defer stop()
			if engine == "PostgreSQL" {
				go breaks(faults, pools[0])
			}
			var turns atomic.Int64
			const names, each = 6, 12 // turns with a key: then another
			play(t, pools, names, func(ctx context.Context, db *sql.DB, client int, name string) {
				key := fmt.Sprint(name, "-", turns.Add(1)/(each*names))
				request := []string{"the same", "another"}[max(0, mathrand.N(8)-6)]
				ctx = idempotency.WithRequest(ctx, idempotency.Request{Scope: "history", Key: key, Fingerprint: sha256.Sum256([]byte(request))})
				if mathrand.N(2) == 0 {
					once(ctx, &log, db, client, key, request)
					return
				}
				claim(ctx, &log, db, client, key, request)
			})
			judge(t, history.Keys(idempotency.Lease), &log, 200)
			twice := dbtest.Value[int](t, pools[0], `SELECT count(*) FROM (SELECT key FROM effect GROUP BY key HAVING count(*) > 1) twice`)
			dbtest.Want(t, "keys with more than one effect", twice, 0)
		})
	}
}

// once carries a request out in one transaction.
func once(ctx context.Context, log *history.Log, db *sql.DB, client int, key, request string) {
	own := rand.Text()
	log.Do(client, history.Once{Key: key, Print: request, Own: own}, func() any {
		got, err := idempotency.Run(ctx, db, func(ctx context.Context, t tx.Tx) (string, error) {
			if err := effect(ctx, t, key, own); err != nil {
				return "", err
			}
			if mathrand.N(5) == 0 {
				return "", errOwn
			}
			return own, nil
		})
		return answer(history.Answer(got), err)
	})
}

// claim carries a request out in several, and may be taken over meanwhile.
func claim(ctx context.Context, log *history.Log, db *sql.DB, client int, key, request string) {
	var c *idempotency.Claim
	log.Do(client, history.Claim{Key: key, Print: request}, func() any {
		var err error
		c, err = idempotency.Begin(ctx, db, nil)
		if err != nil {
			return answer(nil, err)
		}
		var got string
		switch known, err := c.Answer(&got); {
		case err != nil:
			return nil
		case known:
			c = nil
			return history.Answer(got)
		}
		return c.Fence()
	})
	if c == nil {
		return
	}
	if mathrand.N(2) == 0 { // it stands still for longer than its lease
		log.Do(client, history.Lapse{Key: key}, func() any {
			if _, err := db.ExecContext(ctx, `UPDATE muster_idempotency SET locked_until = 1 WHERE key = $1 AND answer IS NULL`, key); err != nil {
				return nil
			}
			return history.Finished
		})
		pause(ctx, time.Duration(mathrand.N(20))*time.Millisecond)
	}
	own := rand.Text()
	log.Do(client, history.Finish{Key: key, Fence: c.Fence(), Own: own}, func() any {
		err := tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
			return errors.Join(effect(ctx, t, key, own), c.Finish(ctx, t, own))
		})
		return answer(history.Finished, err)
	})
}

func effect(ctx context.Context, t tx.Tx, key, own string) error {
	_, err := t.ExecContext(ctx, `INSERT INTO effect (key, own) VALUES ($1, $2)`, key, own)
	return err
}

// answer is what the model calls an outcome; nil is one that is not known.
func answer(got any, err error) any {
	switch {
	case err == nil:
		return got
	case errors.Is(err, idempotency.ErrInFlight):
		return history.InFlight
	case errors.Is(err, idempotency.ErrMismatch):
		return history.Mismatch
	case errors.Is(err, idempotency.ErrFenced):
		return history.Fenced
	case errors.Is(err, errOwn):
		return history.Failed
	}
	return nil
}
