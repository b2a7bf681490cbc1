//go:build !race

package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

// story is a way that a checkout goes.
type story struct {
	name  string
	state string // of the order, in the end
	// begin and end are SQL for orders' database, by its driver's name.
	begin, end map[string]string
}

func stories() []story {
	return []story{
		{name: "confirmed", state: shopper.Confirmed},
		{
			// Taken back by its shopper in the moment in which it is placed, it is found out
			// after it was paid: the money and the pieces are given back.
			name: "taken back", state: shopper.Failed,
			begin: map[string]string{
				"sqlite":   `CREATE TRIGGER taken_back AFTER INSERT ON orders BEGIN UPDATE orders SET cancelled = 1 WHERE id = new.id; END`,
				"postgres": `ALTER TABLE orders ALTER COLUMN cancelled SET DEFAULT 1`,
			},
			end: map[string]string{"sqlite": `DROP TRIGGER taken_back`, "postgres": `ALTER TABLE orders ALTER COLUMN cancelled SET DEFAULT 0`},
		},
	}
}

// tell has the world's next orders go as s does.
func (w *world) tell(s story) {
	if w.story.name == s.name {
		return
	}
	for _, statement := range []string{w.story.end[w.engine.driver.Name()], s.begin[w.engine.driver.Name()]} {
		if statement == "" {
			continue
		}
		if _, err := w.pools["orders"].ExecContext(w.t.Context(), statement); err != nil {
			w.t.Fatal(err)
		}
	}
	w.story = s
}

// order is what the shop was asked for and has promised.
type order struct {
	Key, Cart, ID string
}

// place places an order of a new cart; begin is called just before.
func (w *world) place(begin func() error) <-chan placed {
	done := make(chan placed, 1)
	go func() {
		cart, err := w.fill()
		if err == nil {
			err = begin()
		}
		if err != nil {
			done <- placed{err: err}
			return
		}
		var o struct{ ID string }
		key, err := w.insist("orders", "/v1/orders", map[string]any{"cart": cart}, &o)
		done <- placed{order{key, cart, o.ID}, err}
	}()
	return done
}

type placed struct {
	order
	err error
}

// quiet tells whether nothing is under way any more.
func (w *world) quiet() bool {
	if w.count("orders", `orders WHERE state = 'pending'`) > 0 {
		return false
	}
	for _, service := range []string{"orders", "payments"} {
		if w.count(service, `muster_saga WHERE state NOT IN ('completed', 'compensated') OR owner <> ''`) > 0 {
			return false
		}
	}
	for _, service := range []string{"catalog", "inventory", "orders", "payments", "shipping"} {
		if w.count(service, `muster_outbox`) > 0 {
			return false
		}
	}
	return true
}

// check proves the shop's invariants, and that the order ended as its story does.
func (w *world) check(o order) error {
	var state, reason string
	if err := w.pools["orders"].QueryRowContext(w.t.Context(), `SELECT state, reason FROM orders WHERE id = $1`, o.ID).Scan(&state, &reason); err != nil {
		return err
	}
	var wrong []error
	if state != w.story.state {
		wrong = append(wrong, fmt.Errorf("the order is %s (%s) and is to be %s", state, reason, w.story.state))
	}
	w.promised.Orders = append(w.promised.Orders, shopper.Order{Key: o.Key, Cart: o.Cart, ID: o.ID, State: w.story.state})
	report := verify.Check(w.t.Context(), w.stores, w.promised)
	for _, v := range report.Violations {
		wrong = append(wrong, errors.New(v.String()))
	}
	return errors.Join(wrong...)
}

// recording is what the services do in checkouts in which nothing goes wrong.
type recording struct {
	always    map[string][]string // names of boundaries, by service: what each checkout does
	sometimes map[string][]string // what only some do: what HTTP/2 tells beside, a look for work
}

// record tells a story seven times, undisturbed. The first two find nothing warm.
func (w *world) record(s story) recording {
	w.t.Helper()
	w.tell(s)
	const cold, warm = 2, 5
	times := map[string]map[string]int{}
	for i := range cold + warm {
		p := <-w.place(func() error {
			for _, p := range w.processes {
				p.life.plan.Record()
			}
			return nil
		})
		if p.err != nil {
			w.t.Fatal(p.err)
		}
		wait(w.t, "quiet", w.quiet)
		w.still()
		for name, p := range w.processes {
			p.life.plan.Disarm()
			if times[name] == nil {
				times[name] = map[string]int{}
			}
			for _, b := range p.life.plan.Recorded() {
				if i >= cold {
					times[name][b.Name()]++
				}
			}
		}
		if err := w.check(p.order); err != nil {
			w.t.Fatalf("checkout %d, in which nothing crashed: %v", i+1, err)
		}
	}
	r := recording{map[string][]string{}, map[string][]string{}}
	for service, names := range times {
		for _, name := range slices.Sorted(maps.Keys(names)) {
			if names[name] == warm {
				r.always[service] = append(r.always[service], name)
			} else {
				r.sometimes[service] = append(r.sometimes[service], name)
			}
		}
	}
	return r
}

// still waits until the services do nothing any more that is counted.
func (w *world) still() {
	before, since := -1, time.Now()
	wait(w.t, "still", func() bool {
		n := 0
		for _, p := range w.processes {
			n += len(p.life.plan.Recorded())
		}
		if n != before {
			before, since = n, time.Now()
		}
		return time.Since(since) > 50*time.Millisecond
	})
}

// expire ends what a dead process has leased in its database, as time does.
func (w *world) expire(service string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for table, statement := range map[string]string{
		"muster_saga":   `UPDATE muster_saga SET leased_until = 0, next_at = 0 WHERE owner <> ''`,
		"muster_lease":  `UPDATE muster_lease SET held_until = 0`,
		"muster_parked": `UPDATE muster_parked SET leased_until = 0`,
	} {
		if !w.tables[service][table] {
			continue
		}
		if _, err := w.pools[service].ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return w.broker.Expire(ctx, service)
}
