package datatest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func runIdempotency(t *testing.T, fresh Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"once":                            idempotencyOnce,
		"many at once":                    idempotencyAtOnce,
		"a failure is no answer":          idempotencyFailure,
		"a crash leaves nothing":          idempotencyCrash,
		"another request is refused":      idempotencyMismatch,
		"a bad key is refused":            idempotencyBadKey,
		"without a key":                   idempotencyNoKey,
		"parts":                           idempotencyParts,
		"one within another":              idempotencyNested,
		"without its table":               idempotencyUnmigrated,
		"protobuf":                        idempotencyProto,
		"what cannot be recorded":         idempotencyUnrecordable,
		"sweep":                           idempotencySweep,
		"its schema is apart and current": idempotencySchema,
	})
}

// ledger makes the tables of the tests: each effect is a row.
func ledger(t *testing.T, db *sql.DB) {
	t.Helper()
	dbtest.Succeed(t, idempotency.Migrate(t.Context(), db))
	dbtest.Execute(t, db, `CREATE TABLE effect ("key" TEXT NOT NULL, value TEXT NOT NULL)`)
}

func effects(t *testing.T, db *sql.DB) int {
	t.Helper()
	return dbtest.Value[int](t, db, "SELECT count(*) FROM effect")
}

func request(ctx context.Context, key string) context.Context {
	return idempotency.WithRequest(ctx, idempotency.Request{Scope: "test", Key: key, Fingerprint: [32]byte{1}})
}

// receipt is the answer of the tests; no two are alike.
type receipt struct {
	Value string
	At    time.Time
}

// pay is an operation of one transaction.
func pay(ctx context.Context, db *sql.DB, also func() error) (receipt, error) {
	return idempotency.Run(ctx, db, func(ctx context.Context, tx tx.Tx) (receipt, error) {
		r, _ := idempotency.FromContext(ctx)
		answer := receipt{rand.Text(), time.Now()}
		if _, err := tx.ExecContext(ctx, "INSERT INTO effect VALUES ($1, $2)", r.Key, answer.Value); err != nil {
			return answer, err
		}
		return answer, also()
	})
}

func nothing() error { return nil }

func idempotencyOnce(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	first := request(t.Context(), "k")
	answer, err := pay(first, db, nothing)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "replayed", idempotency.Replayed(first), false)
	for _, db := range []*sql.DB{db, open()} { // this process and another
		ctx := request(t.Context(), "k")
		again, err := pay(ctx, db, nothing)
		dbtest.Succeed(t, err)
		dbtest.Want(t, "answer", again, answer)
		dbtest.Want(t, "replayed", idempotency.Replayed(ctx), true)
	}
	dbtest.Want(t, "effects", effects(t, db), 1)
	if other, err := pay(request(t.Context(), "k2"), db, nothing); err != nil || other == answer {
		t.Errorf("another key: %v, %v", other, err)
	}
	dbtest.Want(t, "effects", effects(t, db), 2)
}

func idempotencyAtOnce(t *testing.T, open func() *sql.DB) {
	const rounds, racers = 5, 9
	pools := []*sql.DB{open(), open(), open()}
	ledger(t, pools[0])
	for round := range rounds {
		answers, replays := make([]receipt, racers), atomic.Int32{}
		dbtest.Together(racers, func(i int) {
			ctx := request(t.Context(), fmt.Sprint("k", round))
			var err error
			if answers[i], err = pay(ctx, pools[i%len(pools)], nothing); err != nil {
				t.Error(err)
			}
			if idempotency.Replayed(ctx) {
				replays.Add(1)
			}
		})
		for _, a := range answers {
			dbtest.Want(t, "answer", a, answers[0])
		}
		dbtest.Want(t, "replays", replays.Load(), racers-1)
	}
	dbtest.Want(t, "effects", effects(t, pools[0]), rounds)
}

func idempotencyFailure(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	refused := problem.New(problem.Conflict, "sold out")
	ctx := request(t.Context(), "k")
	if _, err := pay(ctx, db, func() error { return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	dbtest.Want(t, "effects of a failure", effects(t, db), 0)
	_, err := pay(ctx, db, nothing) // under the same context, as a handler that tries again
	dbtest.Succeed(t, err)
	dbtest.Want(t, "effects", effects(t, db), 1)
	dbtest.Want(t, "replayed", idempotency.Replayed(ctx), false)
}

// Whatever ends an attempt between its effect and its record ends both.
func idempotencyCrash(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	ends := map[string]func(cancel func()) error{
		"panic":  func(func()) error { panic("crash") },
		"cancel": func(cancel func()) error { cancel(); return nil },
	}
	for name, end := range ends {
		ctx, cancel := context.WithCancel(request(t.Context(), "k"))
		func() {
			defer func() { _ = recover() }()
			if _, err := pay(ctx, db, func() error { return end(cancel) }); err == nil {
				t.Errorf("%s: no error", name)
			}
		}()
		cancel()
		dbtest.Want(t, name+": effects", effects(t, db), 0)
		dbtest.Want(t, name+": records", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_idempotency"), 0)
	}
	_, err := pay(request(t.Context(), "k"), db, nothing)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "effects", effects(t, db), 1)
}

func idempotencyMismatch(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	_, err := pay(request(t.Context(), "k"), db, nothing)
	dbtest.Succeed(t, err)
	other := idempotency.WithRequest(t.Context(), idempotency.Request{Scope: "test", Key: "k", Fingerprint: [32]byte{2}})
	if _, err := pay(other, db, nothing); !errors.Is(err, idempotency.ErrMismatch) {
		t.Error(err)
	}
	if _, err := idempotency.Begin(other, db, nil); !errors.Is(err, idempotency.ErrMismatch) {
		t.Error(err)
	}
	dbtest.Want(t, "code", problem.CodeOf(idempotency.ErrMismatch), problem.Unprocessable)
	elsewhere := idempotency.WithRequest(t.Context(), idempotency.Request{Scope: "other", Key: "k", Fingerprint: [32]byte{2}})
	_, err = pay(elsewhere, db, nothing)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "effects", effects(t, db), 2)
}

func idempotencyBadKey(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	for _, key := range []string{" ", "a b", "ä", strings.Repeat("k", 256)} {
		if _, err := pay(request(t.Context(), key), db, nothing); problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%q: %v", key, err)
		}
	}
	dbtest.Want(t, "effects", effects(t, db), 0)
}

func idempotencyNoKey(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	for _, ctx := range []context.Context{t.Context(), request(t.Context(), "")} {
		_, err := pay(ctx, db, nothing)
		dbtest.Succeed(t, err)
		if _, err := pay(ctx, db, func() error { return errors.New("boom") }); err == nil {
			t.Error("no error")
		}
	}
	dbtest.Want(t, "effects", effects(t, db), 2)
	dbtest.Want(t, "records", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_idempotency"), 0)
}

func idempotencyParts(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	serve := func() (a, b receipt, ctx context.Context) {
		ctx = request(t.Context(), "k")
		var errs [2]error
		a, errs[0] = pay(idempotency.Part(ctx, "a"), db, nothing)
		b, errs[1] = pay(idempotency.Part(ctx, "b"), db, nothing)
		dbtest.Succeed(t, errors.Join(errs[:]...))
		return a, b, ctx
	}
	a, b, _ := serve()
	a2, b2, ctx := serve()
	dbtest.Want(t, "a", a2, a)
	dbtest.Want(t, "b", b2, b)
	dbtest.Want(t, "effects", effects(t, db), 2)

	_, err := pay(ctx, db, nothing)
	dbtest.Succeed(t, err)
	if _, err := pay(ctx, db, nothing); err == nil || !strings.Contains(err.Error(), "Part") {
		t.Errorf("two operations under one key: %v", err)
	}
	if _, err := idempotency.Begin(ctx, db, nil); err == nil || !strings.Contains(err.Error(), "Part") {
		t.Errorf("two operations under one key: %v", err)
	}
}

func idempotencyProto(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	for range 2 {
		d, err := idempotency.Run(request(t.Context(), "k"), db, func(ctx context.Context, tx tx.Tx) (*durationpb.Duration, error) {
			_, err := tx.ExecContext(ctx, "INSERT INTO effect VALUES ('k', 'v')")
			return durationpb.New(7 * time.Second), err
		})
		dbtest.Succeed(t, err)
		dbtest.Want(t, "answer", d.AsDuration(), 7*time.Second)
	}
	dbtest.Want(t, "effects", effects(t, db), 1)
}

func idempotencyUnrecordable(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	if _, err := idempotency.Run(request(t.Context(), "k"), db, func(ctx context.Context, tx tx.Tx) (float64, error) {
		_, err := tx.ExecContext(ctx, "INSERT INTO effect VALUES ('k', 'v')")
		return math.NaN(), err
	}); err == nil || !strings.Contains(err.Error(), "cannot be recorded") {
		t.Error(err)
	}
	if _, err := idempotency.Run(request(t.Context(), "k"), db, func(ctx context.Context, tx tx.Tx) (error, error) {
		_, err := tx.ExecContext(ctx, "INSERT INTO effect VALUES ('k', 'v')")
		return problem.New(problem.Gone, "as an answer"), err
	}); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Error(err)
	}
	dbtest.Want(t, "effects", effects(t, db), 0)
}

func idempotencySweep(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	const old = 1203 // more than two batches
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(_ context.Context, w *sql.Tx) error {
		for i := range old {
			dbtest.Execute(t, w, `INSERT INTO muster_idempotency (scope, "key", id, fingerprint, fence, locked_until, created) VALUES ('old', $1, 'x', $2, 1, 0, 5)`, fmt.Sprint(i), []byte{1})
		}
		return nil
	}))
	_, err := pay(request(t.Context(), "young"), db, nothing)
	dbtest.Succeed(t, err)
	n, err := idempotency.Sweep(t.Context(), db, 0)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "swept", n, old)
	_, err = idempotency.Begin(request(t.Context(), "running"), db, nil)
	dbtest.Succeed(t, err)
	dbtest.Execute(t, db, `UPDATE muster_idempotency SET created = 5 WHERE "key" = 'running'`)
	dbtest.Eventually(t, "the other to be old", func() bool { // older than a millisecond, by the database's clock
		n, err := idempotency.Sweep(t.Context(), db, time.Millisecond)
		dbtest.Succeed(t, err)
		return n == 1
	})
	if _, err := idempotency.Begin(request(t.Context(), "running"), db, nil); !errors.Is(err, idempotency.ErrInFlight) {
		t.Errorf("what runs was swept away: %v", err)
	}
	_, err = pay(request(t.Context(), "young"), db, nothing)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "effects after the record is gone", effects(t, db), 2)
}

func idempotencySchema(t *testing.T, open func() *sql.DB) {
	pools := []*sql.DB{open(), open()}
	dbtest.Together(6, func(i int) {
		if err := idempotency.Migrate(t.Context(), pools[i%2]); err != nil {
			t.Error(err)
		}
	})
	dbtest.Want(t, "records", dbtest.Value[int](t, pools[0], "SELECT count(*) FROM muster_idempotency"), 0)
	dbtest.Want(t, "versions", dbtest.Value[int](t, pools[0], "SELECT count(*) FROM muster_idempotency_version WHERE version_id > 0"), 1)
}
