package simulation

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

var partnerTables = []string{
	`CREATE TABLE stock (free INTEGER NOT NULL)`,
	`CREATE TABLE account (owner TEXT PRIMARY KEY, balance INTEGER NOT NULL)`,
	`CREATE TABLE ledger (order_id TEXT NOT NULL, amount INTEGER NOT NULL)`,
	`CREATE TABLE reservation (order_id TEXT NOT NULL, pieces INTEGER NOT NULL)`,
	`CREATE TABLE mail (order_id TEXT NOT NULL)`,
	`CREATE TABLE heard (n INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL, seq INTEGER NOT NULL, topic TEXT NOT NULL)`,
}

// What the bank's customer has: enough for two orders of the larger kind.
const wealth = 100

// partner is a process of those whom the sagas ask.
type partner struct {
	*Process

	db    *sql.DB
	lot   *parking.Store
	relay *outbox.Relay
	mu    sync.Mutex
	asks  int
}

func startPartner(p *Process) {
	s := &partner{Process: p, db: p.pool(p.world.partners)}
	p.side = s
	var err error
	s.lot, err = parking.New(s.db)
	s.relay = &outbox.Relay{DB: s.db, Publisher: link{p}, Source: "/stock", Owner: p.name, Idle: seldom}
	ears := &bus.Consumer{Broker: link{p}, Group: "stock", Parking: s.lot, Workers: 4}
	for _, name := range []string{reserve, release, confirmed, ended} {
		err = errors.Join(err, ears.On(name, inbox.Once(s.db, topic(name), func(ctx context.Context, t tx.Tx, e event) error {
			if s.fickle("hears") {
				return errors.New("simulation: it failed")
			}
			return s.told(ctx, t, name, e)
		})))
	}
	if err != nil {
		p.world.say("%s cannot begin: %v", p.name, err)
		return
	}
	p.run("the relay", s.relay.Run)
	p.run("the consumer", ears.Run)
}

// fickle says whether something goes wrong this time.
func (s *partner) fickle(what string) bool {
	if s.world.quietly {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asks++
	return s.world.chance(s.world.plan.fickle, what, s.name, s.asks)
}

// told does what an event of an order asks for.
func (s *partner) told(ctx context.Context, t tx.Tx, name string, e event) error {
	if _, err := t.ExecContext(ctx, `INSERT INTO heard (order_id, seq, topic) VALUES ($1, $2, $3)`, e.Order, e.Seq, name); err != nil {
		return err
	}
	switch name {
	case reserve:
		n, err := rows(t.ExecContext(ctx, `UPDATE stock SET free = free - $1 WHERE free >= $1`, e.Pieces))
		if err != nil {
			return err
		}
		if n == 0 {
			return outbox.Append(outbox.WithRelay(ctx, s.relay), t, topic(refused), e.Order, event{Order: e.Order, Reason: "sold out"})
		}
		if _, err := t.ExecContext(ctx, `INSERT INTO reservation (order_id, pieces) VALUES ($1, $2)`, e.Order, e.Pieces); err != nil {
			return err
		}
		return outbox.Append(outbox.WithRelay(ctx, s.relay), t, topic(reserved), e.Order, event{Order: e.Order})
	case release:
		if _, err := t.ExecContext(ctx, `UPDATE stock SET free = free + (SELECT coalesce(sum(pieces), 0) FROM reservation WHERE order_id = $1)`, e.Order); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `DELETE FROM reservation WHERE order_id = $1`, e.Order); err != nil {
			return err
		}
		return outbox.Append(outbox.WithRelay(ctx, s.relay), t, topic(released), e.Order, event{Order: e.Order})
	default:
		return nil
	}
}

func rows(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// charge takes the money. A repetition may be refused before anybody looks whether it was
// done before, as by a gateway. The bank's own refusal is as final as an effect: it is noted, for a copy of
// the request may come later, when there is enough money.
func (s *partner) charge(ctx context.Context, key string, attempt int, d Order) error {
	if attempt > 1 && s.fickle("closed") {
		return problem.New(problem.FailedPrecondition, "the bank is closed")
	}
	if s.fickle("busy") {
		return problem.New(problem.Unavailable, "the bank is busy")
	}
	var no error
	err := tx.Do(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		run, err := charging.Do(ctx, t, key)
		if err != nil || !run {
			return err
		}
		n, err := rows(t.ExecContext(ctx, `UPDATE account SET balance = balance - $1 WHERE owner = 'customer' AND balance >= $1`, d.Amount))
		if err == nil && n == 0 {
			no = problem.New(problem.FailedPrecondition, "there is not enough money")
			_, err = charging.Undo(ctx, t, strings.TrimSuffix(key, "/do"))
			return err
		}
		if err != nil {
			return err
		}
		return s.book(ctx, t, d.ID, d.Amount)
	})
	return errors.Join(err, no)
}

// refund gives it back.
func (s *partner) refund(ctx context.Context, key string, _ int, d Order) error {
	if s.fickle("busy") {
		return problem.New(problem.Unavailable, "the bank is busy")
	}
	return tx.Do(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		run, err := charging.Undo(ctx, t, key)
		if err != nil || !run {
			return err
		}
		if _, err := t.ExecContext(ctx, `UPDATE account SET balance = balance + $1 WHERE owner = 'customer'`, d.Amount); err != nil {
			return err
		}
		return s.book(ctx, t, d.ID, -d.Amount)
	})
}

func (s *partner) book(ctx context.Context, t tx.Tx, order string, amount int) error {
	_, err := t.ExecContext(ctx, `UPDATE account SET balance = balance + $1 WHERE owner = 'shop'`, amount)
	if err == nil {
		_, err = t.ExecContext(ctx, `INSERT INTO ledger (order_id, amount) VALUES ($1, $2)`, order, amount)
	}
	return err
}

// notify writes to the customer, once for each key.
func (s *partner) notify(ctx context.Context, key string, _ int, d Order) error {
	if s.fickle("busy") {
		return problem.New(problem.Unavailable, "nobody can write now")
	}
	return tx.Do(ctx, s.db, func(ctx context.Context, t *sql.Tx) error {
		fresh, err := inbox.Insert(ctx, t, "mail", "orders", key)
		if err != nil || !fresh {
			return err
		}
		_, err = t.ExecContext(ctx, `INSERT INTO mail (order_id) VALUES ($1)`, d.ID)
		return err
	})
}

// charging tells repetitions, and an undoing that comes before what it undoes.
var charging = inbox.Barrier{Name: "bank.charge"}
