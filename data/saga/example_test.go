package saga_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Order is the data of a saga.
type Order struct {
	ID    string
	Cents int64
}

// reserve stands for a call to another service. The context carries the key by which
// that one tells repetitions.
func reserve(ctx context.Context, _ *Order) error {
	call, _ := saga.StepOf(ctx)
	_ = call.Key() // sent as Idempotency-Key
	return nil     // or a problem: unavailable is tried again, not_found is a refusal
}

func release(context.Context, *Order) error { return nil }

// An order is reserved, paid by a service that is asked by event, and confirmed. The
// example needs a database, so it is only compiled here.
func Example() { //nolint:testableexamples // needs a database: it runs in the drivers
	var db *sql.DB // opened by a driver
	ctx := context.Background()

	checkout := &saga.Saga[Order]{
		Name: "checkout", Version: 1,
		Steps: []saga.Step[Order]{
			saga.Remote[Order]{Name: "reserve", Do: reserve, Undo: release, Timeout: 2 * time.Second},
			saga.Local[Order]{
				Name: "pay",
				Do: func(ctx context.Context, t tx.Tx, o *Order) error {
					// outbox.Append(ctx, t, requested, o.ID, ...) asks; Answer tells what came of it.
					return saga.Wait
				},
				Undo: func(ctx context.Context, t tx.Tx, o *Order) error { return saga.Wait }, // asks for the refund
			},
			saga.Local[Order]{Name: "confirm", Do: func(ctx context.Context, t tx.Tx, o *Order) error {
				_, err := t.ExecContext(ctx, `UPDATE orders SET state = 'confirmed' WHERE id = $1`, o.ID)
				return err
			}},
		},
		Compensated: func(ctx context.Context, t tx.Tx, o *Order, reason string) error {
			_, err := t.ExecContext(ctx, `UPDATE orders SET state = 'failed', reason = $1 WHERE id = $2`, reason, o.ID)
			return err
		},
	}
	engine, err := saga.New(db, saga.Config{Owner: "orders-1"}, checkout)
	if err == nil {
		err = saga.Migrate(ctx, db)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { _ = engine.Run(ctx) }()

	// With the request that places the order:
	_ = tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `INSERT INTO orders (id, state) VALUES ('o-1', 'pending')`); err != nil {
			return err
		}
		return checkout.Start(ctx, t, "o-1", Order{ID: "o-1", Cents: 1200})
	})
	// With the event that says that it was paid, or declined:
	_ = tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		return checkout.Answer(ctx, t, "o-1", "pay", nil, nil) // or saga.Reject("declined")
	})
	// With the one that says that the money is back:
	_ = tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		return checkout.AnswerUndo(ctx, t, "o-1", "pay", nil, nil)
	})
}

// OrderV1 is what an order was in version 1 of its saga.
type OrderV1 struct {
	ID    string
	Euros int64
}

// Version 2 renamed a step and counts in cents. Sagas of version 1 that are under way go on
// by it, at the same place; and before the build is deployed it is asked whether all can.
func ExampleEngine_Check() { //nolint:testableexamples // needs a database: it runs in the drivers
	var db *sql.DB
	second := &saga.Saga[Order]{
		Name: "checkout", Version: 2, From: []int{1},
		Upgrade: func(o saga.Old) (step string, data Order, err error) {
			old, err := saga.DataOf[OrderV1](o)
			step = map[string]string{"book": "reserve"}[o.Step]
			return step, Order{ID: old.ID, Cents: 100 * old.Euros}, err
		},
		Steps: []saga.Step[Order]{saga.Remote[Order]{Name: "reserve", Do: reserve, Undo: release}},
	}
	engine, err := saga.New(db, saga.Config{}, second)
	if err != nil {
		return
	}
	stranded, _ := engine.Check(context.Background())
	for _, s := range stranded {
		fmt.Println(s.Sagas, "sagas", s.Name, "version", s.Version, "at", s.Step, "cannot go on:", s.Why)
	}
	// Where an order has nothing else to be committed with:
	err = second.Begin(context.Background(), "o-1", Order{ID: "o-1", Cents: 1200})
	_ = err // saga.ErrExists: it was begun before
}

func ExampleReject() {
	step := func(_ context.Context, o *Order) error {
		switch {
		case o.Cents <= 0:
			return saga.Reject("nothing to pay") // the saga is compensated
		case o.Cents > 100000:
			return saga.Retry(errors.New("a clerk looks at it first"), time.Minute)
		}
		return problem.New(problem.Conflict, "the card was declined") // a refusal too
	}
	fmt.Println(step(context.Background(), &Order{}))
	fmt.Println(step(context.Background(), &Order{Cents: 1 << 20}))
	fmt.Println(step(context.Background(), &Order{Cents: 100}))
	// Output:
	// nothing to pay
	// a clerk looks at it first
	// conflict: the card was declined
}

func ExampleCall_Key() {
	c := saga.Call{Saga: "checkout", ID: "o-1", Step: "reserve"}
	fmt.Println(c.Key())
	c.Undo = true
	fmt.Println(c.Key())
	// Output:
	// checkout/o-1/reserve/do
	// checkout/o-1/reserve/undo
}

// Operators see the sagas below /.muster/sagas, and help those that are stuck.
func ExampleEngine_Skip() { //nolint:testableexamples // needs a database: it runs in the drivers
	var engine *saga.Engine
	stuck, err := engine.List(context.Background(), saga.Filter{State: saga.Paused})
	for _, s := range stuck {
		err = errors.Join(err, engine.Skip(context.Background(), s.Name, s.ID, saga.Note{By: "ann", Why: "the bank did it by hand"}))
	}
	_ = err
}
