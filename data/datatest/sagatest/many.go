package sagatest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

func runMany(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){"three engines, two hundred sagas": many})
}

// transfer moves money: held back from the payer, asked of a bank, given to the payee.
type transfer struct {
	Cents  int
	Charge string
}

// bank is asked by Remote steps. It keeps an answer for each key.
type bank struct {
	mu      sync.Mutex
	charges map[string]int // by saga
	calls   map[string]int // by key
}

// dice are the same for the same words.
func dice(sides uint32, words ...any) uint32 {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, words...)
	return h.Sum32() % sides
}

func (b *bank) charge(ctx context.Context, d *transfer) error {
	c, _ := saga.StepOf(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[c.Key()]++
	switch n := b.calls[c.Key()]; {
	case dice(7, c.ID) == 0:
		return saga.Reject("declined")
	case dice(5, c.ID) == 0 && n == 1:
		b.charges[c.ID] = d.Cents // it took effect, and the answer was lost
		return saga.Unknown(errors.New("timeout"))
	case dice(5, c.ID) == 1 && n == 1:
		return saga.Retry(errors.New("busy"), time.Millisecond)
	}
	b.charges[c.ID] = d.Cents
	d.Charge = c.ID
	return nil
}

func (b *bank) refund(ctx context.Context, _ *transfer) error {
	c, _ := saga.StepOf(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls[c.Key()]++
	if b.calls[c.Key()] == 1 && dice(3, c.ID) == 0 {
		return saga.Retry(errors.New("away"), time.Millisecond)
	}
	delete(b.charges, c.ID)
	return nil
}

// move adds to one account and takes from another.
func move(from, to string) func(context.Context, tx.Tx, *transfer) error {
	return func(ctx context.Context, t tx.Tx, d *transfer) error {
		change := map[string]int{from: -d.Cents, to: d.Cents}
		for _, name := range []string{"escrow", "payee", "payer"} { // the same order for all, or they would wait for one another
			if _, err := t.ExecContext(ctx, `UPDATE account SET cents = cents + $1 WHERE name = $2`, change[name], name); err != nil {
				return err
			}
		}
		return nil
	}
}

func (b *bank) saga() *saga.Saga[transfer] {
	return &saga.Saga[transfer]{Name: "transfer", Version: 1, Steps: []saga.Step[transfer]{
		saga.Local[transfer]{Name: "hold", Do: move("payer", "escrow"), Undo: move("escrow", "payer")},
		saga.Remote[transfer]{Name: "charge", Do: b.charge, Undo: b.refund},
		saga.Local[transfer]{Name: "approve", NoUndo: true, Do: func(ctx context.Context, _ tx.Tx, _ *transfer) error {
			if c, _ := saga.StepOf(ctx); dice(6, c.ID, "approve") == 0 {
				return saga.Reject("not approved")
			}
			return nil
		}},
		saga.Local[transfer]{Name: "pay", Do: move("escrow", "payee"), Pivot: true},
		saga.Remote[transfer]{Name: "tell", Do: func(context.Context, *transfer) error { return nil }},
	}}
}

func many(t *testing.T, open func() *sql.DB) {
	const sagas, cents = 200, 3
	db := open()
	dbtest.Succeed(t, saga.Migrate(t.Context(), db))
	dbtest.Execute(t, db, `CREATE TABLE account (name VARCHAR(100) PRIMARY KEY, cents BIGINT NOT NULL)`)
	for _, name := range []string{"payer", "escrow", "payee"} {
		dbtest.Execute(t, db, `INSERT INTO account VALUES ($1, 0)`, name)
	}
	w := &world{&stage.World{T: t, DB: db}}
	b := &bank{charges: map[string]int{}, calls: map[string]int{}}
	defs := []*saga.Saga[transfer]{b.saga(), b.saga(), b.saga()}
	pools := []*sql.DB{open(), open(), open()}
	var engines []*engine
	for i, s := range defs {
		engines = append(engines, w.Engine(pools[i], saga.Config{Owner: fmt.Sprint("e", i), Workers: 4}, s))
	}
	dbtest.Together(3, func(i int) {
		for n := i; n < sagas; n += 3 {
			if err := tx.Do(t.Context(), pools[i], func(ctx context.Context, t *sql.Tx) error {
				return defs[i].Start(ctx, t, fmt.Sprint("t", n), transfer{Cents: cents})
			}); err != nil {
				t.Error(err)
			}
		}
	})
	engines[0].Stop() // in the middle of it all
	dbtest.EventuallyWithin(t, 3*dbtest.Patience, "all sagas to end", func() bool {
		quiet, err := engines[1].Quiet(t.Context())
		dbtest.Succeed(t, err)
		return quiet
	})
	w.Free()
	count := func(state saga.State) int {
		return dbtest.Value[int](t, db, `SELECT count(*) FROM muster_saga WHERE state = $1`, state)
	}
	completed, compensated := count(saga.Completed), count(saga.Compensated)
	dbtest.Want(t, "sagas that ended", completed+compensated, sagas)
	if completed < sagas/3 || compensated < sagas/20 {
		t.Errorf("%d completed and %d compensated prove little", completed, compensated)
	}
	account := func(name string) int {
		return dbtest.Value[int](t, db, `SELECT cents FROM account WHERE name = $1`, name)
	}
	dbtest.Want(t, "payer", account("payer"), -completed*cents)
	dbtest.Want(t, "escrow", account("escrow"), 0)
	dbtest.Want(t, "payee", account("payee"), completed*cents)
	charged := 0
	for _, c := range b.charges {
		charged += c
	}
	dbtest.Want(t, "charged", charged, completed*cents)
	recordedOnce(t, engines[1].Engine, defs[1].Name, sagas)
}

// recordedOnce makes sure that no step is twice done in a history.
func recordedOnce(t *testing.T, e *saga.Engine, name string, sagas int) {
	t.Helper()
	steps := 0
	for n := range sagas {
		d, err := e.Show(t.Context(), name, fmt.Sprint("t", n))
		dbtest.Succeed(t, err)
		seen := map[string]bool{}
		for _, ev := range d.History {
			if place := ev.Step + "/" + ev.Direction; ev.Outcome == "done" {
				if seen[place] {
					t.Errorf("%s: %s is recorded twice", d.ID, place)
				}
				seen[place] = true
				steps++
			}
		}
	}
	if steps < 2*sagas {
		t.Errorf("%d steps recorded of %d sagas", steps, sagas)
	}
}
