package simulation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

// Order is the data of a saga.
type Order struct {
	ID       string
	Customer int
	Amount   int
	Pieces   int
	Gift     bool // by the second version
}

// event is what the processes tell each other. Seq counts those that the orders' side tells of one order.
type event struct {
	Order  string
	Seq    int
	Pieces int
	Reason string
}

// The topics. Those of one first segment are in one order for each key.
const (
	reserve   = "orders.reserve"
	release   = "orders.release"
	confirmed = "orders.confirmed"
	ended     = "orders.ended"
	reserved  = "stock.reserved"
	refused   = "stock.refused"
	released  = "stock.released"
)

// seldom is how often a relay looks that nobody woke.
const seldom = 2 * time.Second

func topic(name string) bus.Topic[event] { return bus.Topic[event]{Name: name} }

const ordersTables = `CREATE TABLE orders (id TEXT PRIMARY KEY, request TEXT NOT NULL, amount INTEGER NOT NULL, pieces INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'open', seq INTEGER NOT NULL DEFAULT 0,
	confirmed INTEGER NOT NULL DEFAULT 0, gifts INTEGER NOT NULL DEFAULT 0, completed INTEGER NOT NULL DEFAULT 0, compensated INTEGER NOT NULL DEFAULT 0)`

// orders is a process that takes orders and carries out their sagas.
type orders struct {
	*Process

	db     *sql.DB
	lot    *parking.Store
	relay  *outbox.Relay
	engine *saga.Engine
	sagas  *saga.Saga[Order]
}

// startOrders begins the parts of such a process.
func startOrders(p *Process) {
	o := &orders{Process: p, db: p.pool(p.world.orders)}
	p.shop = o
	o.sagas = o.define()
	var err error
	o.lot, err = parking.New(o.db)
	if err == nil {
		o.engine, err = saga.New(o.db, saga.Config{Owner: p.name, Workers: 4, Keep: -1}, o.sagas)
	}
	o.relay = &outbox.Relay{DB: o.db, Publisher: link{p}, Source: "/orders", Owner: p.name, Idle: seldom}
	ears := &bus.Consumer{Broker: link{p}, Group: "orders", Parking: o.lot, Workers: 4}
	for _, name := range []string{reserved, refused, released} {
		err = errors.Join(err, ears.On(name, inbox.Once(o.db, topic(name), func(ctx context.Context, t tx.Tx, e event) error { return o.told(ctx, t, name, e) })))
	}
	if err != nil {
		p.world.say("%s cannot begin: %v", p.name, err)
		return
	}
	p.run("the engine", o.engine.Run)
	p.run("the relay", o.relay.Run)
	p.run("the consumer", ears.Run)
}

// define is the saga, in the version that this build has.
func (o *orders) define() *saga.Saga[Order] {
	within := 3 * time.Second
	steps := []saga.Step[Order]{
		saga.Local[Order]{Name: "reserve", Do: o.local("reserve", func(ctx context.Context, t tx.Tx, d *Order) error {
			return errors.Join(o.tell(ctx, t, reserve, d.ID, d.Pieces), saga.Wait)
		}), Undo: o.local("unreserve", func(ctx context.Context, t tx.Tx, d *Order) error {
			return errors.Join(o.tell(ctx, t, release, d.ID, 0), saga.Wait)
		})},
		saga.Remote[Order]{Name: "charge", Timeout: within, Do: o.remote((*partner).charge), Undo: o.remote((*partner).refund)},
		saga.Local[Order]{Name: "confirm", Pivot: true, Do: o.local("confirm", func(ctx context.Context, t tx.Tx, d *Order) error {
			return o.count(ctx, t, "confirmed", confirmed, d.ID)
		})},
		saga.Remote[Order]{Name: "notify", Timeout: within, Do: o.remote((*partner).notify)},
	}
	s := &saga.Saga[Order]{Name: "checkout", Version: 1}
	if o.build == 2 { // a gift before the note
		s.Version, s.From = 2, []int{1}
		s.Upgrade = func(old saga.Old) (string, Order, error) {
			d, err := saga.DataOf[Order](old)
			return old.Step, d, err
		}
		gift := saga.Local[Order]{Name: "gift", Do: o.local("gift", func(ctx context.Context, t tx.Tx, d *Order) error {
			d.Gift = true
			return o.count(ctx, t, "gifts", "", d.ID)
		})}
		steps = append(steps[:3:3], gift, steps[3])
	}
	s.Steps = steps
	s.Completed = func(ctx context.Context, t tx.Tx, d *Order) error {
		return errors.Join(o.count(ctx, t, "completed", ended, d.ID), o.state(ctx, t, d.ID, "completed"))
	}
	s.Compensated = func(ctx context.Context, t tx.Tx, d *Order, _ string) error {
		return errors.Join(o.count(ctx, t, "compensated", ended, d.ID), o.state(ctx, t, d.ID, "compensated"))
	}
	return s
}

// local is a Local step that sometimes fails for no known reason, after what it did.
func (o *orders) local(name string, fn func(context.Context, tx.Tx, *Order) error) func(context.Context, tx.Tx, *Order) error {
	return func(ctx context.Context, t tx.Tx, d *Order) error {
		c, _ := saga.StepOf(ctx)
		err := fn(ctx, t, d)
		if (err == nil || errors.Is(err, saga.Wait)) && o.world.chance(o.world.plan.fickle/2, "fails", name, d.ID, c.Fence, c.Attempt) {
			return errors.New("simulation: it failed")
		}
		return err
	}
}

// remote is a Remote step that asks a partner.
func (o *orders) remote(fn func(*partner, context.Context, string, int, Order) error) func(context.Context, *Order) error {
	return func(ctx context.Context, d *Order) error {
		c, _ := saga.StepOf(ctx)
		key, order := c.Key(), *d
		return o.call(ctx, key, o.world.partnerPlaces(), func(ctx context.Context, at *Process) error { return fn(at.side, ctx, key, c.Attempt, order) })
	}
}

// tell publishes an event of an order, with its number.
func (o *orders) tell(ctx context.Context, t tx.Tx, name, id string, pieces int) error {
	var seq int
	if err := t.QueryRowContext(ctx, `UPDATE orders SET seq = seq + 1 WHERE id = $1 RETURNING seq`, id).Scan(&seq); err != nil {
		return err
	}
	return outbox.Append(outbox.WithRelay(ctx, o.relay), t, topic(name), id, event{Order: id, Seq: seq, Pieces: pieces})
}

// count counts an effect, and tells of it.
func (o *orders) count(ctx context.Context, t tx.Tx, column, name, id string) error {
	_, err := t.ExecContext(ctx, `UPDATE orders SET `+column+` = `+column+` + 1 WHERE id = $1`, id)
	if err != nil || name == "" {
		return err
	}
	return o.tell(ctx, t, name, id, 0)
}

func (o *orders) state(ctx context.Context, t tx.Tx, id, state string) error {
	_, err := t.ExecContext(ctx, `UPDATE orders SET state = $1 WHERE id = $2`, state, id)
	return err
}

// told takes what the stock answered.
func (o *orders) told(ctx context.Context, t tx.Tx, name string, e event) error {
	switch name {
	case released:
		return o.sagas.AnswerUndo(ctx, t, e.Order, "reserve", nil, nil)
	case refused:
		return o.sagas.Answer(ctx, t, e.Order, "reserve", saga.Reject(e.Reason), nil)
	default:
		return o.sagas.Answer(ctx, t, e.Order, "reserve", nil, nil)
	}
}

// place takes an order, once for each request, and answers with its id.
func (o *orders) place(ctx context.Context, request string, life, amount, pieces int) (string, error) {
	ctx = idempotency.WithRequest(ctx, idempotency.Request{Scope: "place", Key: request})
	return idempotency.Run(ctx, o.db, func(ctx context.Context, t tx.Tx) (string, error) {
		id := fmt.Sprintf("%s-%d", request, life) // another for each attempt
		if _, err := t.ExecContext(ctx, `INSERT INTO orders (id, request, amount, pieces) VALUES ($1, $2, $3, $4)`, id, request, amount, pieces); err != nil {
			return "", err
		}
		return id, o.sagas.Start(ctx, t, id, Order{ID: id, Amount: amount, Pieces: pieces})
	})
}
