// Package sagakill is the part of the suite of package datatest that kills the processes
// which carry on sagas.
package sagakill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

// note is the data of the sagas: what counts is in tables.
type note struct{}

const (
	killSagas = 60
	killed    = 4 // processes, one after the other; a last one ends what they left
)

// MinusNine proves that sagas survive whoever carries them on: it kills processes
// in the middle of their steps, and counts what they did. command returns a process,
// not yet started, that calls [Victim] on the same database.
func MinusNine(t *testing.T, open func() *sql.DB, command func(t *testing.T) *exec.Cmd) {
	db := open()
	dbtest.Succeed(t, saga.Migrate(t.Context(), db))
	// A Remote step asks the bank, which commits by itself and knows a key again.
	dbtest.Execute(t, db, `CREATE TABLE bank ("key" VARCHAR(255) PRIMARY KEY, calls BIGINT NOT NULL)`)
	dbtest.Execute(t, db, `CREATE TABLE effect (saga TEXT NOT NULL, step TEXT NOT NULL)`)
	desk := victimSaga(db)
	_, err := saga.New(db, saga.Config{}, desk)
	dbtest.Succeed(t, err)
	for i := range killSagas {
		dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, t *sql.Tx) error { return desk.Start(ctx, t, fmt.Sprint("k", i), note{}) }))
	}
	dead := "nobody"
	steps := func() int {
		// Nobody waits for the leases of the dead; what their server still did for them may come late.
		dbtest.Succeed(t, tx.Again(t.Context(), db, func(ctx context.Context, t *sql.Tx) error {
			_, err := t.ExecContext(ctx, `UPDATE muster_saga SET leased_until = 1 WHERE owner LIKE $1 AND leased_until > 1`, dead+"/%")
			return err
		}))
		return dbtest.Value[int](t, db, `SELECT sum(seq) FROM muster_saga`)
	}
	run := func() *exec.Cmd {
		cmd := command(t)
		cmd.Stderr = os.Stderr
		dbtest.Succeed(t, cmd.Start())
		return cmd
	}
	for range killed {
		cmd := run()
		most := steps() + 5 + rand.IntN(40)
		dbtest.Eventually(t, "some steps", func() bool { return steps() >= most })
		dbtest.Succeed(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		dead = fmt.Sprint("pid-", cmd.Process.Pid)
	}
	last := run()
	dbtest.Eventually(t, "all sagas to end", func() bool {
		steps()
		return dbtest.Value[int](t, db, `SELECT count(*) FROM muster_saga WHERE state NOT IN ('completed', 'compensated') OR owner <> ''`) == 0
	})
	dbtest.Succeed(t, last.Process.Kill())
	_ = last.Wait()
	completed := dbtest.Value[int](t, db, `SELECT count(*) FROM muster_saga WHERE state = 'completed'`)
	if completed < 10 || completed > killSagas-10 {
		t.Errorf("%d of %d completed: that proves little", completed, killSagas)
	}
	dbtest.Want(t, "effects of Local steps that are there twice", dbtest.Value[int](t, db, `SELECT count(*) FROM (SELECT 1 FROM effect GROUP BY saga, step HAVING count(*) > 1) x`), 0)
	for step, want := range map[string]int{"a/do": killSagas, "c/do": completed, "end/do": completed, "a/undo": killSagas - completed, "end/undo": killSagas - completed} {
		dbtest.Want(t, step, dbtest.Value[int](t, db, `SELECT count(*) FROM effect WHERE step = $1`, step), want)
	}
	dbtest.Want(t, "charged", dbtest.Value[int](t, db, `SELECT count(*) FROM bank WHERE "key" LIKE '%/b/do'`), killSagas)
	dbtest.Want(t, "given back", dbtest.Value[int](t, db, `SELECT count(*) FROM bank WHERE "key" LIKE '%/b/undo'`), killSagas-completed)
	t.Logf("%d calls of the bank for %d steps, %d sagas completed", dbtest.Value[int](t, db, `SELECT sum(calls) FROM bank`), 2*killSagas-completed, completed)
}

// victimSaga is what the processes carry out: a is done, the bank is asked, and c is
// refused for some.
func victimSaga(db *sql.DB) *saga.Saga[note] {
	effect := func(ctx context.Context, t tx.Tx, _ *note) error {
		c, _ := saga.StepOf(ctx)
		if c.Step == "c" && dice(3, c.ID) == 0 {
			return saga.Reject("no")
		}
		_, err := t.ExecContext(ctx, `INSERT INTO effect VALUES ($1, $2)`, c.ID, place(c))
		return err
	}
	ask := func(ctx context.Context, _ *note) error {
		c, _ := saga.StepOf(ctx)
		_, err := db.ExecContext(ctx, `INSERT INTO bank VALUES ($1, 0) ON CONFLICT ("key") DO NOTHING`, c.Key())
		if err == nil {
			_, err = db.ExecContext(ctx, `UPDATE bank SET calls = calls + 1 WHERE "key" = $1`, c.Key())
		}
		if err != nil {
			return saga.Unknown(errors.Join(errors.New("bank"), err))
		}
		pause := time.NewTimer(time.Duration(rand.IntN(20)) * time.Millisecond) // the answer takes a while
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		return nil
	}
	return &saga.Saga[note]{
		Name: "trip", Version: 1,
		Steps: []saga.Step[note]{
			saga.Local[note]{Name: "a", Do: effect, Undo: effect},
			saga.Remote[note]{Name: "b", Do: ask, Undo: ask},
			saga.Local[note]{Name: "c", Do: effect},
		},
		Completed:   effect,
		Compensated: func(ctx context.Context, t tx.Tx, d *note, _ string) error { return effect(ctx, t, d) },
	}
}

// Victim carries on the sagas of [MinusNine] until it is killed.
func Victim(ctx context.Context, db *sql.DB) error {
	e, err := saga.New(db, saga.Config{Owner: fmt.Sprint("pid-", os.Getpid())}, victimSaga(db))
	if err != nil {
		return err
	}
	return e.Run(ctx)
}

// dice says the same for the same words, in every process.
func dice(sides uint32, words ...any) uint32 {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, words...)
	return h.Sum32() % sides
}

func place(c saga.Call) string {
	if c.Undo {
		return c.Step + "/undo"
	}
	return c.Step + "/do"
}
