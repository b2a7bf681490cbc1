// Package process gives tests what package muster gives a service that works by
// events: the relay of its outbox, the engine of its sagas and its consumer, as one
// process that can die.
package process

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/saga"
)

// Config is a service and what it works on, which is its own: it is closed with it.
type Config struct {
	Name   string  // of the service
	DB     *sql.DB // with the tables of Migrate
	Broker *memory.Broker
	Sagas  []saga.Definition
	On     map[string]bus.Handler // by topic
	Log    *slog.Logger           // nil: nowhere
}

// Process is a running service.
type Process struct {
	Engine  *saga.Engine
	db      *sql.DB
	broker  *memory.Broker
	relay   *outbox.Relay
	cancel  context.CancelFunc
	working sync.WaitGroup
	killed  atomic.Bool
}

// Migrate makes the tables of the data patterns.
func Migrate(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, migrate := range []func(context.Context, *sql.DB) error{idempotency.Migrate, outbox.Migrate, inbox.Migrate, parking.Migrate, saga.Migrate} {
		if err := migrate(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
}

// Start runs a service until the test ends, unless it is killed before.
func Start(t *testing.T, c Config) *Process {
	t.Helper()
	p := &Process{db: c.DB, broker: c.Broker.Connect()}
	p.relay = &outbox.Relay{DB: c.DB, Publisher: p.broker, Source: "/" + c.Name, Log: c.Log}
	var err error
	if p.Engine, err = saga.New(c.DB, saga.Config{Log: c.Log}, c.Sagas...); err != nil {
		t.Fatal(err)
	}
	consumer := &bus.Consumer{Broker: p.broker, Group: c.Name, Log: c.Log}
	if consumer.Parking, err = parking.New(c.DB); err != nil {
		t.Fatal(err)
	}
	for topic, handler := range c.On {
		if err := consumer.On(topic, handler); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p.cancel = cancel
	for _, work := range []func(context.Context) error{p.relay.Run, p.Engine.Run, consumer.Run} {
		p.working.Go(func() {
			if err := work(p.With(ctx)); err != nil && ctx.Err() == nil && !p.killed.Load() {
				t.Error(err)
			}
		})
	}
	t.Cleanup(p.Stop)
	return p
}

// With returns a context as a request is served with.
func (p *Process) With(ctx context.Context) context.Context { return outbox.WithRelay(ctx, p.relay) }

// Stop ends the process in order, unless it was killed, and waits for its end.
func (p *Process) Stop() {
	p.cancel()
	p.working.Wait()
	_ = p.broker.Close() // this and the pool again, if it was killed
	_ = p.db.Close()
}

// Kill ends the process as SIGKILL does: what it has not committed or acknowledged it
// never will, and it lets go of nothing. A function that it is just running goes on,
// and must return an error.
func (p *Process) Kill() {
	p.killed.Store(true)
	_ = p.db.Close() // what holds a connection loses it when it gives it back
	p.cancel()
	_ = p.broker.Close() // what was delivered comes again
}

// Expire ends the leases that dead processes have left in a database, as time does.
func Expire(ctx context.Context, db *sql.DB) error {
	for _, statement := range []string{
		`UPDATE muster_saga SET leased_until = 0, next_at = 0`, `UPDATE muster_lease SET held_until = 0`, `UPDATE muster_parked SET leased_until = 0`,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
