// Package inboxtest is the part of the suite that package inbox must pass.
package inboxtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
)

// Run runs this part of the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"once":                            once,
		"many at once":                    atOnce,
		"many at once, and one fails":     atOnceFailing,
		"a failure has no effect":         failure,
		"a crash leaves nothing":          crash,
		"what is another message":         others,
		"what cannot be decoded":          undecodable,
		"a deadlock is tried again":       retried,
		"one event leads to another":      chain,
		"sweep":                           sweep,
		"without its table":               unmigrated,
		"a database that does not write":  readOnly,
		"a barrier, in every order":       barrier,
		"a barrier, at the same time":     barrierTogether,
		"noted alone, many at once":       noted,
		"what cannot be noted":            notedWrong,
		"its schema is apart and current": schema,
	})
}

type paid struct{ Cents int }

var payment = bus.Topic[paid]{Name: "test.paid"} //nolint:gochecknoglobals // a topic is a constant

func migrated(t *testing.T, open func() *sql.DB) *sql.DB {
	t.Helper()
	db := open()
	dbtest.Succeed(t, inbox.Migrate(t.Context(), db))
	dbtest.Execute(t, db, "CREATE TABLE ledger (cents INTEGER NOT NULL)")
	return db
}

func delivery(id string) bus.Delivery {
	return bus.Delivery{Msg: bus.Msg{ID: id, Source: "/test", Topic: payment.Name, Key: "k", Data: []byte(`{"Cents":5}`)}, Group: "books", Count: 1}
}

// book is a handler whose effect is a row; also fails it, or not.
func book(db *sql.DB, also func() error) bus.Handler {
	return inbox.Once(db, payment, func(ctx context.Context, tx tx.Tx, p paid) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO ledger VALUES ($1)", p.Cents); err != nil {
			return err
		}
		return also()
	})
}

func nothing() error { return nil }

func effects(t *testing.T, db *sql.DB) int {
	t.Helper()
	return dbtest.Value[int](t, db, "SELECT count(*) FROM ledger WHERE cents = 5")
}

func once(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	for _, pool := range []*sql.DB{db, db, open()} {
		dbtest.Succeed(t, book(pool, nothing)(t.Context(), delivery("1")))
		dbtest.Want(t, "effects", effects(t, db), 1)
	}
	dbtest.Succeed(t, book(db, nothing)(t.Context(), delivery("2")))
	dbtest.Want(t, "effects", effects(t, db), 2)
}

func atOnce(t *testing.T, open func() *sql.DB) {
	const rounds, racers = 10, 9
	pools := []*sql.DB{migrated(t, open), open(), open()}
	for round := range rounds {
		dbtest.Together(racers, func(i int) {
			if err := book(pools[i%3], nothing)(t.Context(), delivery(fmt.Sprint(round))); err != nil {
				t.Error(err)
			}
		})
		dbtest.Want(t, "effects", effects(t, pools[0]), round+1)
	}
}

// A duplicate that waited for the first does the work when the first fails.
func atOnceFailing(t *testing.T, open func() *sql.DB) {
	const rounds, racers = 10, 6
	pools := []*sql.DB{migrated(t, open), open(), open()}
	boom := errors.New("boom")
	for round := range rounds {
		var tries, failed atomic.Int32
		dbtest.Together(racers, func(i int) {
			err := book(pools[i%3], func() error {
				if tries.Add(1) <= 2 {
					return boom
				}
				return nil
			})(t.Context(), delivery(fmt.Sprint(round)))
			switch {
			case errors.Is(err, boom):
				failed.Add(1)
			case err != nil:
				t.Error(err)
			}
		})
		dbtest.Want(t, "tries", tries.Load(), 3)
		dbtest.Want(t, "failed", failed.Load(), 2)
		dbtest.Want(t, "effects", effects(t, pools[0]), round+1)
	}
}

func failure(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	boom := errors.New("boom")
	if err := book(db, func() error { return boom })(t.Context(), delivery("1")); !errors.Is(err, boom) {
		t.Error(err)
	}
	dbtest.Want(t, "effects of a failure", effects(t, db), 0)
	dbtest.Succeed(t, book(db, nothing)(t.Context(), delivery("1")))
	dbtest.Want(t, "effects", effects(t, db), 1)
}

func crash(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	func() {
		defer func() { dbtest.Want(t, "panic", recover(), any("ouch")) }()
		_ = book(db, func() error { panic("ouch") })(t.Context(), delivery("1"))
	}()
	canceled, cancel := context.WithCancel(t.Context())
	if err := book(db, func() error { cancel(); return nil })(canceled, delivery("1")); err == nil {
		t.Error("committed under a canceled context")
	}
	dying := open() // a process that is gone before its commit
	if err := book(dying, func() error { go dying.Close(); return errors.New("gone") })(t.Context(), delivery("1")); err == nil {
		t.Error("a crash succeeds")
	}
	dbtest.Want(t, "effects", effects(t, db), 0)
	dbtest.Want(t, "notes", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_inbox"), 0)
	dbtest.Succeed(t, book(db, nothing)(t.Context(), delivery("1")))
	dbtest.Want(t, "effects", effects(t, db), 1)
}

func others(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	for i, change := range []func(*bus.Delivery){
		func(*bus.Delivery) {},
		func(d *bus.Delivery) { d.Group = "mail" },
		func(d *bus.Delivery) { d.Source = "/elsewhere" },
		func(d *bus.Delivery) { d.ID = "2" },
	} {
		d := delivery("1")
		change(&d)
		dbtest.Succeed(t, book(db, nothing)(t.Context(), d))
		dbtest.Succeed(t, book(db, nothing)(t.Context(), d))
		dbtest.Want(t, "effects", effects(t, db), i+1)
	}
	for _, change := range []func(*bus.Delivery){
		func(d *bus.Delivery) { d.Group = "" },
		func(d *bus.Delivery) { d.Source = "" },
		func(d *bus.Delivery) { d.ID = "" },
	} {
		d := delivery("3")
		change(&d)
		if err := book(db, nothing)(t.Context(), d); err == nil || !strings.HasPrefix(err.Error(), "inbox: ") {
			t.Errorf("a message without a name: %v", err)
		}
	}
}

func undecodable(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	d := delivery("1")
	d.Data = []byte(`{"Cents":"many"}`)
	if err := book(db, nothing)(t.Context(), d); !bus.IsFinal(err) {
		t.Error(err)
	}
	dbtest.Want(t, "notes", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_inbox"), 0)
}

type coded string

func (c coded) Error() string    { return "code " + string(c) }
func (c coded) SQLState() string { return string(c) }

func retried(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	tries := 0
	dbtest.Succeed(t, book(db, func() error {
		if tries++; tries < 3 {
			return coded("40001")
		}
		return nil
	})(t.Context(), delivery("1")))
	dbtest.Want(t, "tries", tries, 3)
	dbtest.Want(t, "effects", effects(t, db), 1)
	tries = 0
	err := book(db, func() error { tries++; return coded("40P01") })(t.Context(), delivery("2"))
	dbtest.Want(t, "code", tx.SQLState(err), "40P01")
	dbtest.Want(t, "tries", tries, 3)
	tries = 0
	err = book(db, func() error { tries++; return coded("23505") })(t.Context(), delivery("3"))
	dbtest.Want(t, "code", tx.SQLState(err), "23505")
	dbtest.Want(t, "tries", tries, 1)
}

// What a handler appends is committed with its effect, and names its cause.
func chain(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
	handler := inbox.Once(db, payment, func(ctx context.Context, tx tx.Tx, p paid) error {
		return outbox.Append(ctx, tx, payment, "k", p)
	})
	for range 3 {
		d := delivery("first")
		dbtest.Succeed(t, handler(bus.WithDelivery(t.Context(), d), d))
	}
	dbtest.Want(t, "events", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_outbox"), 1)
	attributes := dbtest.Value[string](t, db, "SELECT attributes FROM muster_outbox")
	if !strings.Contains(attributes, `"causationid":"first"`) {
		t.Errorf("its cause is missing in %s", attributes)
	}
}

func sweep(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		for i := range 1100 {
			if _, err := inbox.Insert(ctx, tx, "g", "/s", fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	}))
	n, err := inbox.Sweep(t.Context(), db, 0)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "swept too early", n, 0)
	dbtest.Execute(t, db, "UPDATE muster_inbox SET handled = handled - $1 WHERE id <> '7'", (inbox.Keep + time.Minute).Milliseconds())
	n, err = inbox.Sweep(t.Context(), db, 0)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "swept", n, 1099)
	dbtest.Want(t, "left", dbtest.Value[string](t, db, "SELECT id FROM muster_inbox"), "7")
	dbtest.Execute(t, db, "UPDATE muster_inbox SET handled = handled - 60000")
	n, err = inbox.Sweep(t.Context(), db, 30*time.Second)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "swept by age", n, 1)
}

func unmigrated(t *testing.T, open func() *sql.DB) {
	db := open()
	handled := book(db, nothing)(t.Context(), delivery("1"))
	_, swept := inbox.Sweep(t.Context(), db, 0)
	for name, err := range map[string]error{"Once": handled, "Sweep": swept} {
		if err == nil || strings.Count(err.Error(), "call inbox.Migrate") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, swept = inbox.Sweep(t.Context(), nil, 0)
	for name, err := range map[string]error{"Once": book(nil, nothing)(t.Context(), delivery("1")), "Sweep": swept, "Migrate": inbox.Migrate(t.Context(), nil)} {
		if err == nil || !strings.Contains(err.Error(), "the database is nil") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func readOnly(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	err := tx.Read(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		_, err := inbox.Insert(ctx, tx, "g", "/s", "1")
		return err
	})
	dbtest.Want(t, "code of a write", tx.SQLState(err), "25006")
}

func schema(t *testing.T, open func() *sql.DB) {
	db := migrated(t, open)
	dbtest.Succeed(t, book(db, nothing)(t.Context(), delivery("1")))
	dbtest.Together(4, func(int) {
		if err := inbox.Migrate(t.Context(), db); err != nil {
			t.Error(err)
		}
	})
	dbtest.Want(t, "notes", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_inbox"), 1)
}
