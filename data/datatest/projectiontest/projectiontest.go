// Package projectiontest is the part of the suite that package projection must pass.
package projectiontest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/tx"
)

// Run runs this part of the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	tests := map[string]func(*testing.T, func() *sql.DB){
		"once, in order, by replicas":    once,
		"a failure has no effect":        failure,
		"made once, by whoever is first": together,
		"made anew while events flow":    anew,
		"who wrote reads what he wrote":  waitFor,
		"old and new code":               codes,
		"an event on its way":            behind,
		"what the broker has dropped":    missing,
		"an event that fails holds it":   held,
		"the database was lost":          lost,
		"what only the source knows":     complete,
		"operators":                      operators,
		"without its tables":             unmigrated,
		"what cannot be":                 wrong,
	}
	dbtest.Each(t, fresh, func() map[string]func(*testing.T, func() *sql.DB) {
		all := map[string]func(*testing.T, func() *sql.DB){}
		for name, test := range tests {
			all[name] = func(t *testing.T, open func() *sql.DB) {
				t.Parallel() // they wait most of the time
				test(t, open)
			}
		}
		return all
	}())
}

// paid is the n-th payment of its key: n tells whether the order holds.
type paid struct {
	Account  string
	N, Cents int
}

var payment = bus.Topic[paid]{Name: "test.paid"} //nolint:gochecknoglobals // a topic is a constant

const grace = 4 * time.Second

// config is a read model of two tables that must agree.
func config(db *sql.DB, b bus.Broker) projection.Config {
	return projection.Config{
		DB: db, Broker: b, Name: "books", Build: 1, Tables: []string{"accounts", "total"}, Grace: grace, Workers: 4,
		Schema: func(ctx context.Context, t tx.Tx, v projection.View) error {
			for _, statement := range []string{
				"CREATE TABLE " + v.Name("accounts") + " (account VARCHAR(40) NOT NULL PRIMARY KEY, n INTEGER NOT NULL, cents INTEGER NOT NULL)",
				"CREATE TABLE " + v.Name("total") + " (n INTEGER NOT NULL)",
				"INSERT INTO " + v.Name("total") + " VALUES (0)",
			} {
				if _, err := t.ExecContext(ctx, statement); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

var errOrder = errors.New("the order does not hold")

// book is the handler.
func book(ctx context.Context, t tx.Tx, v projection.View, e paid) error {
	if e.N == 1 {
		if _, err := t.ExecContext(ctx, "INSERT INTO "+v.Name("accounts")+" VALUES ($1, 0, 0)", e.Account); err != nil {
			return err
		}
	}
	res, err := t.ExecContext(ctx, "UPDATE "+v.Name("accounts")+" SET n = $1, cents = cents + $2 WHERE account = $3 AND n = $4", e.N, e.Cents, e.Account, e.N-1)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(errOrder, err)
	}
	_, err = t.ExecContext(ctx, "UPDATE "+v.Name("total")+" SET n = n + 1")
	return err
}

// made is a projection with its handler.
func made(t *testing.T, c projection.Config, handler func(ctx context.Context, t tx.Tx, v projection.View, e paid) error) *projection.Projection {
	t.Helper()
	p, err := projection.New(c)
	dbtest.Succeed(t, err)
	dbtest.Succeed(t, projection.On(p, payment, handler))
	return p
}

// run runs a projection until stop is called, or the test ends.
func run(t *testing.T, p *projection.Projection) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func migrated(t *testing.T, open func() *sql.DB) *sql.DB {
	t.Helper()
	db := open()
	dbtest.Succeed(t, projection.Migrate(t.Context(), db))
	return db
}

// pay publishes the payments from..to of an account.
func pay(t *testing.T, b bus.Publisher, account string, from, to int) (last bus.Msg) {
	t.Helper()
	var msgs []bus.Msg
	for n := from; n <= to; n++ {
		m, err := payment.Msg(t.Context(), account, paid{account, n, 5})
		dbtest.Succeed(t, err)
		m.ID, m.Source = fmt.Sprint(account, "-", n), "/tills"
		msgs = append(msgs, m)
	}
	for _, r := range b.Publish(t.Context(), msgs) {
		dbtest.Succeed(t, r.Err)
	}
	return msgs[len(msgs)-1]
}

// state is what a reader sees; it is an error when the tables do not agree.
type state struct {
	Suffix      string
	Total, Sum  int
	Accounts, C int
}

func seen(ctx context.Context, p *projection.Projection) (s state, err error) {
	err = p.Read(ctx, func(ctx context.Context, t tx.Tx, v projection.View) error {
		s.Suffix = v.Suffix
		if err := t.QueryRowContext(ctx, "SELECT n FROM "+v.Name("total")).Scan(&s.Total); err != nil {
			return err
		}
		return t.QueryRowContext(ctx, "SELECT count(*), COALESCE(sum(n), 0), COALESCE(sum(cents), 0) FROM "+v.Name("accounts")).Scan(&s.Accounts, &s.Sum, &s.C)
	})
	if err == nil && (s.Total != s.Sum || 5*s.Total != s.C) {
		err = fmt.Errorf("the tables do not agree: %+v", s)
	}
	return s, err
}

// reads waits until the build that is read is so far.
func reads(t *testing.T, p *projection.Projection, suffix string, total int) {
	t.Helper()
	var last string
	defer func() {
		if t.Failed() {
			t.Log("last seen:", last)
		}
	}()
	dbtest.Eventually(t, fmt.Sprint(suffix, " with ", total), func() bool {
		s, err := seen(t.Context(), p)
		last = fmt.Sprintf("%+v, %v", s, err)
		return err == nil && s.Suffix == suffix && s.Total == total
	})
}

// status waits until the build of a name is as it should be.
func status(t *testing.T, p *projection.Projection, name, what string, is func(s projection.Status) bool) {
	t.Helper()
	dbtest.Eventually(t, name+" "+what, func() bool {
		list, err := p.Stats(t.Context())
		dbtest.Succeed(t, err)
		for _, s := range list {
			if s.Name == name && is(s) {
				return true
			}
		}
		return false
	})
}

// unsure is a broker that gives a message again whose effect was made, as after a crash before the acknowledgement.
type unsure struct{ *memory.Broker }

func (u unsure) Subscribe(ctx context.Context, s bus.Subscription) (bus.Subscriber, error) {
	sub, err := u.Broker.Subscribe(ctx, s)
	return again{sub}, err
}

type again struct{ bus.Subscriber }

func (a again) Settle(ctx context.Context, verdicts ...bus.Verdict) error {
	for i, v := range verdicts {
		if v.Action == bus.Ack && v.Delivery.Count < 3 {
			verdicts[i].Action = bus.Nack
		}
	}
	return a.Subscriber.Settle(ctx, verdicts...)
}

// slow is a broker that says a group has had all, and holds one message back until it is released.
type slow struct {
	*memory.Broker
	id       string
	released *atomic.Bool
}

func (s slow) Subscribe(ctx context.Context, sub bus.Subscription) (bus.Subscriber, error) {
	inner, err := s.Broker.Subscribe(ctx, sub)
	return holding{inner, s}, err
}

type holding struct {
	bus.Subscriber
	by slow
}

func (h holding) Lag(context.Context) (bus.Lag, error) { return bus.Lag{}, nil }

func (h holding) Receive(ctx context.Context, most int) ([]bus.Delivery, error) {
	for {
		all, err := h.Subscriber.Receive(ctx, most)
		all = slices.DeleteFunc(all, func(d bus.Delivery) bool { return d.ID == h.by.id && !h.by.released.Load() })
		if len(all) > 0 || err != nil {
			return all, err
		}
	}
}
