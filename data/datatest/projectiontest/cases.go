package projectiontest

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
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// once: each message comes three times, to three replicas.
func once(t *testing.T, open func() *sql.DB) {
	const accounts, each = 10, 12
	db, b := migrated(t, open), memory.New()
	for i := range accounts {
		pay(t, b, fmt.Sprint("a", i), 1, each/2)
	}
	var replicas []*projection.Projection
	for range 3 {
		p := made(t, config(open(), unsure{b.Connect()}), book)
		run(t, p)
		replicas = append(replicas, p)
	}
	for i := range accounts {
		pay(t, b, fmt.Sprint("a", i), each/2+1, each)
	}
	for _, p := range replicas {
		reads(t, p, "_b1", accounts*each)
	}
	dbtest.Want(t, "notes", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_projection_note"), accounts*each)
	dbtest.Want(t, "out of order", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_projection_failed"), 0)
}

// failure: what was done before an error, a panic or the loss of the connection is not there.
func failure(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	var tries atomic.Int32
	c := config(db, b.Connect())
	c.Retry = bus.Backoff{First: time.Millisecond, Most: time.Millisecond}
	run(t, made(t, c, func(ctx context.Context, t tx.Tx, v projection.View, e paid) error {
		if err := book(ctx, t, v, e); err != nil {
			return err
		}
		switch tries.Add(1) {
		case 1:
			return errors.New("boom")
		case 2:
			panic("ouch")
		default:
			return nil
		}
	}))
	pay(t, b, "a", 1, 1)
	p := made(t, config(open(), b), book)
	reads(t, p, "_b1", 1)
	dbtest.Want(t, "tries", tries.Load(), 3)
}

// together: five replicas begin at the same moment, on an empty database.
func together(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	pay(t, b, "a", 1, 3)
	var all []*projection.Projection
	for range 5 {
		all = append(all, made(t, config(open(), b.Connect()), book))
	}
	dbtest.Together(len(all), func(i int) { run(t, all[i]) })
	reads(t, all[4], "_b1", 3)
	dbtest.Want(t, "builds", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_projection_build"), 1)
	// And two people want it made anew.
	dbtest.Together(2, func(i int) {
		if err := all[i].Rebuild(t.Context(), projection.Note{By: "ann", Why: "to see"}); err != nil {
			t.Error(err)
		}
	})
	dbtest.Eventually(t, "another build", func() bool {
		s, err := seen(t.Context(), all[0])
		return err == nil && s.Suffix != "_b1" && s.Total == 3
	})
}

// anew: a build takes the place of another while payments are made and readers read: they never see
// less than before, nor tables that do not agree; and in the end both are the same row for row.
func anew(t *testing.T, open func() *sql.DB) {
	const accounts = 5
	db, b := migrated(t, open), memory.New()
	for i := range accounts {
		pay(t, b, fmt.Sprint("a", i), 1, 20)
	}
	c := config(db, b.Connect())
	c.Grace = time.Minute // both are to be compared
	p := made(t, c, book)
	run(t, p)
	c.DB, c.Broker = open(), b.Connect()
	run(t, made(t, c, book))
	reads(t, p, "_b1", accounts*20)

	paid := accounts * 20
	last := state{}
	look := func() {
		s, err := seen(t.Context(), p)
		if err != nil || s.Total < last.Total || s.Suffix < last.Suffix {
			t.Errorf("after %+v: %+v, %v", last, s, err)
		}
		last = s
	}
	dbtest.Succeed(t, p.Rebuild(t.Context(), projection.Note{By: "ann", Why: "the sums were wrong"}))
	dbtest.Eventually(t, "the new build", func() bool {
		<-time.After(20 * time.Millisecond) // a steady flow, and not more than the machine can take
		pay(t, b, fmt.Sprint("a", paid%accounts), paid/accounts+1, paid/accounts+1)
		paid++
		look()
		return last.Suffix == "_b1_2"
	})
	reads(t, p, "_b1_2", paid)
	look()
	for i := range accounts {
		n, account := (paid+accounts-1-i)/accounts, fmt.Sprint("a", i)
		row := dbtest.Value[string](t, db, "SELECT n || ' ' || cents FROM accounts_b1_2 WHERE account = $1", account)
		dbtest.Want(t, account, row, fmt.Sprint(n, " ", 5*n))
	}
	lacks := dbtest.Value[int](t, db, `SELECT count(*) FROM muster_projection_note n WHERE build = 'b1' AND NOT EXISTS
		(SELECT 1 FROM muster_projection_note o WHERE o.build = 'b1_2' AND o.id = n.id)`)
	dbtest.Want(t, "events that only the old one has", lacks, 0)
}

func waitFor(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	p := made(t, config(db, b.Connect()), book)
	if _, err := seen(t.Context(), p); problem.CodeOf(err) != problem.Unavailable {
		t.Error("read before it was built:", err)
	}
	run(t, p)
	elsewhere := made(t, config(open(), b.Connect()), book) // a replica that only reads
	reads(t, p, "_b1", 0)
	for n := 1; n <= 30; n++ {
		if n == 10 {
			dbtest.Succeed(t, p.Rebuild(t.Context(), projection.Note{By: "ann", Why: "to see"}))
		}
		token, err := projection.ParseToken(projection.TokenOf(pay(t, b, "a", n, n)).String())
		dbtest.Succeed(t, err)
		for _, p := range []*projection.Projection{p, elsewhere} {
			dbtest.Succeed(t, p.WaitFor(t.Context(), token))
			s, err := seen(t.Context(), p)
			dbtest.Succeed(t, err)
			dbtest.Want(t, "what he wrote is there", s.Total, n)
		}
		if n > 10 && n%5 == 0 { // so that the swap comes between two
			<-time.After(100 * time.Millisecond)
		}
	}
	reads(t, p, "_b1_2", 30)
	bounded, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := p.WaitFor(bounded, projection.Token{Source: "/tills", ID: "never"})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the event never of /tills") {
		t.Error(err)
	}
	if err := p.WaitFor(t.Context(), projection.Token{}); problem.CodeOf(err) != problem.InvalidArgument {
		t.Error(err)
	}
}

// codes: replicas of two versions run beside each other; each feeds and reads its own, the new one reads the old one's until its own is complete.
func codes(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	pay(t, b, "a", 1, 5)
	old := made(t, config(db, b.Connect()), book)
	stop := run(t, old)
	reads(t, old, "_b1", 5)

	c := config(open(), b.Connect())
	c.Build = 2
	c.Retry = bus.Backoff{First: 10 * time.Millisecond, Most: 50 * time.Millisecond}
	var ready atomic.Bool
	next := made(t, c, func(ctx context.Context, t tx.Tx, v projection.View, e paid) error {
		if !ready.Load() {
			return errors.New("not yet")
		}
		return book(ctx, t, v, e)
	})
	run(t, next)
	status(t, next, "b2", "grows", func(s projection.Status) bool { return s.State == "building" && s.Fed })
	pay(t, b, "a", 6, 8)
	reads(t, next, "_b1", 8)
	ready.Store(true)
	reads(t, next, "_b2", 8)
	reads(t, old, "_b1", 8)
	pay(t, b, "a", 9, 10)
	<-time.After(2 * grace) // in which nobody may drop what old code uses
	reads(t, next, "_b2", 10)
	reads(t, old, "_b1", 10)
	stop()
	dbtest.Eventually(t, "the tables of the old code to be dropped", func() bool {
		_, err := db.ExecContext(t.Context(), "SELECT n FROM total_b1")
		return err != nil
	})
	dbtest.Eventually(t, "its notes to be swept", func() bool {
		return dbtest.Value[int](t, db, "SELECT count(*) FROM muster_projection_note WHERE build = 'b1'") == 0
	})
	// Back to the old code: its read model is made once more, under another name, and the new one stays.
	old = made(t, config(db, b.Connect()), book)
	run(t, old)
	reads(t, old, "_b1_2", 10)
	reads(t, next, "_b2", 10)
}

// missing: the broker has dropped what the build that is read has had.
func missing(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	pay(t, b, "a", 1, 3)
	old := made(t, config(db, b.Connect()), book)
	stop := run(t, old)
	reads(t, old, "_b1", 3)
	stop()

	young := memory.New() // the same, after its old messages are gone
	pay(t, young, "z", 1, 2)
	c := config(open(), young)
	c.Build = 2
	next := made(t, c, book)
	run(t, next)
	status(t, next, "b2", "to be refused", func(s projection.Status) bool {
		return strings.Contains(s.Hindered, "3 events test.paid of /tills that b1 has are missing, such as a-1")
	})
	reads(t, next, "_b1", 3)
	dbtest.Succeed(t, next.Accept(t.Context(), projection.Note{By: "ann", Why: "those years are archived"}))
	reads(t, next, "_b2", 2)
}

// held: a build in which an event failed does not take the place of one that has it.
func held(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	pay(t, b, "a", 1, 3)
	pay(t, b, "z", 1, 1)
	run(t, made(t, config(db, b.Connect()), book))

	c := config(open(), b.Connect())
	parking := memory.NewParking()
	c.Build, c.Parking = 2, parking
	var mended atomic.Bool
	next := made(t, c, func(ctx context.Context, t tx.Tx, v projection.View, e paid) error {
		if e.Account == "a" && e.N == 2 && !mended.Load() {
			return bus.Final(errors.New("a bug in the new code"))
		}
		return book(ctx, t, v, e)
	})
	reads(t, next, "_b1", 4)
	run(t, next)
	status(t, next, "b2", "to be held", func(s projection.Status) bool {
		return s.Failed == 1 && strings.Contains(s.Hindered, "1 events failed, such as test.paid a-2: ") && strings.Contains(s.Hindered, "a bug in the new code")
	})
	reads(t, next, "_b1", 4)
	mended.Store(true)
	dbtest.Want(t, "redriven", parking.Redrive("books-b2"), 1)
	reads(t, next, "_b2", 4)
	status(t, next, "b2", "to have no failure", func(s projection.Status) bool { return s.Failed == 0 && s.Hindered == "" })
}

// lost: the broker's group is where it was, and the database begins anew.
func lost(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	pay(t, b, "a", 1, 3)
	stop := run(t, made(t, config(db, b.Connect()), book))
	p := made(t, config(db, b.Connect()), book)
	reads(t, p, "_b1", 3)
	stop()
	for _, table := range []string{"accounts_b1", "total_b1"} {
		dbtest.Execute(t, db, "DROP TABLE "+table)
	}
	for _, table := range []string{"build", "note", "failed"} {
		dbtest.Execute(t, db, "DELETE FROM muster_projection_"+table)
	}
	run(t, p)
	reads(t, p, "_b1_2", 3)
}

func complete(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	pay(t, b, "a", 1, 3)
	c := config(db, b.Connect())
	c.Complete = func(ctx context.Context, t tx.Tx, v projection.View) error {
		var n int
		if err := t.QueryRowContext(ctx, "SELECT n FROM "+v.Name("total")).Scan(&n); err != nil || n < 4 {
			return errors.Join(fmt.Errorf("the tills have taken 4, and it has %d", n), err)
		}
		return nil
	}
	p := made(t, c, book)
	run(t, p)
	status(t, p, "b1", "to be refused", func(s projection.Status) bool { return strings.HasPrefix(s.Hindered, "the tills have taken 4") })
	if _, err := seen(t.Context(), p); problem.CodeOf(err) != problem.Unavailable {
		t.Error(err)
	}
	pay(t, b, "a", 4, 4)
	reads(t, p, "_b1", 4)
}

// behind: a build that lacks one event, on its way still, is not read before it has that too.
func behind(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	pay(t, b, "a", 1, 3)
	p := made(t, config(db, b.Connect()), book)
	run(t, p)
	reads(t, p, "_b1", 3)
	var released atomic.Bool
	c := config(open(), slow{b.Connect(), "a-4", &released})
	c.Build = 2
	next := made(t, c, book)
	pay(t, b, "a", 4, 4)
	reads(t, p, "_b1", 4)
	run(t, next)
	status(t, next, "b2", "to lack it", func(s projection.Status) bool {
		now, err := seen(t.Context(), next)
		dbtest.Succeed(t, err)
		dbtest.Want(t, "read meanwhile", now.Suffix, "_b1")
		return strings.Contains(s.Hindered, "1 events test.paid")
	})
	released.Store(true)
	reads(t, next, "_b2", 4)
}
