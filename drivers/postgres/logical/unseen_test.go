package logical_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/cdc"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/drivers/postgres/logical"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

// What the server would leave out without a word is noticed, while it is followed and while nobody follows; and a copy made anew is whole again.
func TestWhatTheServerWouldLeaveOut(t *testing.T) {
	pgtest.Start(t)
	const again = `ALTER PUBLICATION muster_cdc_items ADD TABLE items`
	for name, c := range map[string]struct {
		damage []string // of the source, but for the first word "target"
		mend   string   // before it is copied anew
	}{
		"not published for a while": {[]string{`ALTER PUBLICATION muster_cdc_items DROP TABLE items`, `INSERT INTO items VALUES (2, 'b')`, again}, ""},
		"not published any more":    {[]string{`ALTER PUBLICATION muster_cdc_items DROP TABLE items`, `INSERT INTO items VALUES (2, 'b')`}, again},
		"only inserts": {
			[]string{`ALTER PUBLICATION muster_cdc_items SET (publish = 'insert')`, `UPDATE items SET name = 'b'`}, `ALTER PUBLICATION muster_cdc_items SET (publish = 'insert, update, delete, truncate')`,
		},
		"only inserts for a while": {
			[]string{`ALTER PUBLICATION muster_cdc_items SET (publish = 'insert')`, `UPDATE items SET name = 'b'`, `ALTER PUBLICATION muster_cdc_items SET (publish = 'insert, update, delete, truncate')`}, "",
		},
		"no publication": {[]string{`DROP PUBLICATION muster_cdc_items`, `INSERT INTO items VALUES (2, 'b')`}, ""},
		"another table in its place": {
			[]string{`ALTER TABLE items RENAME TO items_old`, items, `INSERT INTO items SELECT * FROM items_old`, `INSERT INTO items VALUES (2, 'b')`}, again,
		},
		"an earlier time": {[]string{`target UPDATE muster_cdc SET position = 'FFFFFF/0'`, `INSERT INTO items VALUES (2, 'b')`}, ""},
	} {
		for _, away := range []bool{true, false} {
			if online := name == "only inserts" || name == "another table in its place"; !away && !online {
				continue // two stand for those that cost a look
			}
			t.Run(name+map[bool]string{true: ", away", false: ""}[away], func(t *testing.T) {
				from, to := pair(t)
				dbtest.Execute(t, from, `INSERT INTO items VALUES (1, 'a')`)
				stop := followed(t, to, source(t, from), &copier{})
				copied(t, from, to)
				if away {
					stop()
				}
				for _, s := range c.damage {
					if s, ok := strings.CutPrefix(s, "target "); ok {
						dbtest.Execute(t, to, s)
						continue
					}
					dbtest.Execute(t, from, s)
				}
				if away {
					followed(t, to, source(t, from), &copier{})
				}
				dbtest.EventuallyWithin(t, dbtest.Patience, "the loss to be seen", func() bool {
					list, err := cdc.Stats(t.Context(), to)
					return err == nil && list[0].State == "lost"
				})
				if c.mend != "" {
					dbtest.Execute(t, from, c.mend)
				}
				dbtest.Succeed(t, cdc.Recopy(t.Context(), to, "items", "ann", "the publication was changed"))
				same(t, from, to)
				dbtest.Execute(t, from, `INSERT INTO items VALUES (3, 'c')`)
				same(t, from, to)
			})
		}
	}
}

// A publication that has not all rows or columns would make a copy that is none.
func TestANarrowPublicationIsRefused(t *testing.T) {
	from, to := pair(t)
	if dbtest.Value[int](t, from, `SELECT CAST(current_setting('server_version_num') AS integer)`) < 150000 {
		t.Skip("PostgreSQL 14 has whole tables only")
	}
	dbtest.Execute(t, from, `CREATE PUBLICATION some_rows FOR TABLE items WHERE (id > 10)`)
	dbtest.Execute(t, from, `CREATE PUBLICATION some_columns FOR TABLE items (id, name)`)
	for _, publication := range []string{"some_rows", "some_columns"} {
		s, err := logical.NewSource(logical.SourceConfig{URL: urlOf(t, from), Tables: []string{"public.items"}, Publication: publication})
		dbtest.Succeed(t, err)
		err = (&cdc.Follower{DB: to, Source: s, Name: "x", Handle: (&copier{}).handle}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), "leaves out rows or columns of public.items") {
			t.Errorf("%s: %v", publication, err)
		}
	}
}

// A table that is followed only now has no rows of before.
func TestATableThatWasNotCopiedIsSaid(t *testing.T) {
	from, to := pair(t)
	dbtest.Execute(t, from, `CREATE TABLE more (id integer PRIMARY KEY)`)
	dbtest.Execute(t, from, `CREATE PUBLICATION two FOR TABLE items, more`)
	of := func(tables ...string) cdc.Source {
		s, err := logical.NewSource(logical.SourceConfig{URL: urlOf(t, from), Tables: tables, Publication: "two"})
		dbtest.Succeed(t, err)
		return s
	}
	stop := followed(t, to, of("public.items", "public.more"), &copier{})
	copied(t, from, to)
	stop()
	stop = followed(t, to, of("public.items"), &copier{}) // one less is no loss
	dbtest.Execute(t, from, `INSERT INTO items VALUES (1, 'a')`)
	same(t, from, to)
	stop()
	dbtest.Execute(t, to, `UPDATE muster_cdc SET position = split_part(position, ' ', 1)`) // of before tables were noted
	stop = followed(t, to, of("public.items"), &copier{})
	dbtest.Execute(t, from, `INSERT INTO items VALUES (2, 'b')`)
	same(t, from, to)
	stop()
	followed(t, to, of("public.items", "public.more"), &copier{})
	dbtest.Eventually(t, "it to be said", func() bool {
		list, err := cdc.Stats(t.Context(), to)
		return err == nil && strings.Contains(list[0].Lost, "public.more is not the table that was copied")
	})
}

// A server that went back to an earlier time has its slot, and would leave out what it does until its log is as long as it was.
func TestAnOutboxWhoseServerWentBack(t *testing.T) {
	db := fresh(t)()
	dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
	b := newHeard()
	stop := run(t, db, b, stream(t, db), nil)
	dbtest.Eventually(t, "the log", func() bool { return logOf(t, db) != nil })
	add(t, db, "a", 1)
	waitFor(t, b, "a", "1")
	stop()
	dbtest.Execute(t, db, `UPDATE muster_outbox_log SET position = 'FFFFFF/0'`)
	run(t, db, b, stream(t, db), nil)
	dbtest.Eventually(t, "the loss to be seen", func() bool { return strings.Contains(logOf(t, db).Lost, "went back to an earlier time") })
	add(t, db, "a", 2)
	dbtest.Succeed(t, outbox.AcceptLoss(t.Context(), db, "ann", "restored"))
	waitFor(t, b, "a", "1 2")
}

// A server's slots have names of their own across its databases: a second follower of one name takes nothing from the first.
func TestANameThatAnotherDatabaseHas(t *testing.T) {
	first, to := pair(t)
	second, other := pair(t)
	followed(t, to, source(t, first), &copier{})
	copied(t, first, to)
	err := (&cdc.Follower{DB: other, Source: source(t, second), Name: "items", Handle: (&copier{}).handle}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "of the database "+dbtest.Value[string](t, first, `SELECT current_database()`)+": give the follower another name") {
		t.Errorf("the second: %v", err)
	}
	dbtest.Succeed(t, source(t, second).Forget(t.Context(), "items"))
	dbtest.Execute(t, first, `INSERT INTO items VALUES (1, 'a')`)
	same(t, first, to)
}

// Without its publication the log cannot be read any more, not even when there is one of its name again.
func TestAnOutboxWhosePublicationWasDropped(t *testing.T) {
	db := fresh(t)()
	dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
	dbtest.Execute(t, db, `CREATE TABLE others (x integer)`)
	b := newHeard()
	run(t, db, b, stream(t, db), nil)
	dbtest.Eventually(t, "the log", func() bool { return logOf(t, db) != nil })
	add(t, db, "a", 1)
	waitFor(t, b, "a", "1")
	dbtest.Execute(t, db, `DROP PUBLICATION muster_outbox`)
	dbtest.Execute(t, db, `INSERT INTO others VALUES (1)`)
	dbtest.Execute(t, db, `CREATE PUBLICATION muster_outbox`)
	add(t, db, "a", 2)
	dbtest.Eventually(t, "the loss to be seen", func() bool { return strings.Contains(logOf(t, db).Lost, "publication muster_outbox was dropped") })
	add(t, db, "a", 3)
	dbtest.Succeed(t, outbox.AcceptLoss(t.Context(), db, "ann", "2 was told by hand"))
	waitFor(t, b, "a", "1 3")
}

// A loss is said at once, also soon after another.
func TestEachLossIsSaid(t *testing.T) {
	from, to := pair(t)
	losses := make(chan struct{}, 10)
	count := slog.NewTextHandler(writer(func(p []byte) {
		if bytes.Contains(p, []byte("nothing is followed")) {
			losses <- struct{}{}
		}
	}), nil)
	f := &cdc.Follower{DB: to, Source: source(t, from), Name: "items", Handle: (&copier{}).handle, Log: slog.New(count)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	for range 2 {
		copied(t, from, to)
		dbtest.Execute(t, from, `DROP PUBLICATION muster_cdc_items`)
		dbtest.Execute(t, from, `INSERT INTO items SELECT COALESCE(max(id), 0) + 1 FROM items`) // which cannot be read
		select {
		case <-losses:
		case <-time.After(dbtest.Patience):
			t.Fatal("the loss was not said")
		}
		dbtest.Succeed(t, cdc.Recopy(t.Context(), to, "items", "ann", "it is published again"))
	}
	copied(t, from, to)
	cancel()
	dbtest.Succeed(t, <-done)
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}
