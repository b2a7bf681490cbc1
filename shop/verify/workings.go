package verify

import (
	"context"
	"database/sql"
	"strings"

	"github.com/musterdev/muster/shop/query"
	"github.com/musterdev/muster/shop/shopper"
)

// What the library's patterns keep in a service's own database is read as it lies
// there: what they say of themselves is what is to be judged.

func (w *world) readSagas(store string) reader {
	return func(ctx context.Context, tx *sql.Tx) error {
		return add(ctx, tx, &w.sagas, func(s *saga) []any {
			s.store = store
			return []any{&s.name, &s.id, &s.state, &s.step, &s.owner}
		}, `SELECT name, id, state, step, owner FROM muster_saga ORDER BY name, id`)
	}
}

func (w *world) readOutbox(store string) reader {
	return func(ctx context.Context, tx *sql.Tx) error {
		return add(ctx, tx, &w.unpublished, func(u *unpublished) []any {
			u.store = store
			return []any{&u.topic, &u.key, &u.refusal}
		}, `SELECT topic, key, COALESCE(error, '') FROM muster_outbox ORDER BY id`)
	}
}

func (w *world) readParked(store string) reader {
	return func(ctx context.Context, tx *sql.Tx) error {
		return add(ctx, tx, &w.parked, func(p *parked) []any {
			p.store = store
			return []any{&p.topic, &p.key, &p.dead, &p.failure}
		}, `SELECT topic, key, dead, error FROM muster_parked ORDER BY id`)
	}
}

// add appends the rows of a query to rows.
func add[T any](ctx context.Context, tx *sql.Tx, rows *[]T, fields func(*T) []any, statement string) error {
	more, err := query.All(ctx, tx, fields, statement)
	*rows = append(*rows, more...)
	return err
}

func sagasEnd(w *world, contradict func(string, ...any)) {
	for _, s := range w.sagas {
		switch {
		case s.state != "completed" && s.state != "compensated":
			contradict("saga %s of order %s (%s) is %s in step %s", s.name, s.id, s.store, s.state, s.step)
		case s.owner != "":
			contradict("saga %s of order %s (%s) is %s and held by %s", s.name, s.id, s.store, s.state, s.owner)
		}
	}
}

// sagasAgree compares the end of an order with the end of the saga that carried it.
func sagasAgree(w *world, contradict func(string, ...any)) {
	ends := map[string]string{}
	for _, s := range w.sagas {
		if s.store == "orders" {
			ends[s.id] += s.state
		}
	}
	want := map[string]string{shopper.Confirmed: "completed", shopper.Failed: "compensated"}
	for _, o := range w.orders {
		if shopper.Ended(o.state) && ends[o.id] != want[o.state] {
			contradict("order %s is %s and its saga %q", o.id, o.state, ends[o.id])
		}
	}
	for id, state := range ends {
		if _, ok := w.order[id]; !ok {
			contradict("saga %s is %s and its order is not there", id, state)
		}
	}
}

func outboxesEmpty(w *world, contradict func(string, ...any)) {
	for _, u := range w.unpublished {
		why := "not yet"
		if u.refusal != "" {
			why = "the broker refused it: " + u.refusal
		}
		contradict("%s did not publish %s of order %s: %s", u.store, u.topic, u.key, why)
	}
}

func nothingParked(w *world, contradict func(string, ...any)) {
	for _, p := range w.parked {
		state := "is parked"
		if p.dead {
			state = "is dead"
		}
		contradict("%s of order %s %s at %s: %s", p.topic, p.key, state, p.store, strings.TrimSpace(p.failure))
	}
}
