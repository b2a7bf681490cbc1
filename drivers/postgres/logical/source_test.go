package logical_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/data/cdc"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/postgres/logical"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/problem"
)

const items = `CREATE TABLE items (id integer PRIMARY KEY, name text, big text, amount numeric(10,2), at timestamptz, flag boolean, raw bytea)`

// sum is the same for two tables whose rows are the same.
const sum = `SELECT count(*) || ' ' || COALESCE(md5(string_agg(t::text, '|' ORDER BY id)), '') FROM (SELECT id, name, big, amount, at, flag, raw FROM items) t`

// copier keeps a copy, and fails where a change would come twice or not at all.
type copier struct {
	mu       sync.Mutex
	reshaped []string
	begun    int
	large    int // values that were not told, for they had not changed
	fail     func() error
}

func (c *copier) handle(ctx context.Context, t tx.Tx, changes []cdc.Change) error {
	for _, ch := range changes {
		if err := c.one(ctx, t, ch); err != nil {
			return fmt.Errorf("%s %s: %w", ch.Op, ch.ID, err)
		}
	}
	if c.fail != nil {
		return c.fail()
	}
	return nil
}

func (c *copier) one(ctx context.Context, t tx.Tx, ch cdc.Change) error {
	var query string
	var args []any
	arg := func(v cdc.Value) string {
		args = append(args, sql.NullString{String: v.Text, Valid: !v.Null})
		return fmt.Sprintf("$%d", len(args))
	}
	types := map[string]string{"id": "integer", "amount": "numeric", "at": "timestamptz", "flag": "boolean", "raw": "bytea", "name": "text", "big": "text"}
	switch ch.Op {
	case cdc.Begin, cdc.Truncate:
		c.mu.Lock()
		c.begun += int(1 - min(ch.Op, 1))
		c.mu.Unlock()
		_, err := t.ExecContext(ctx, "DELETE FROM items")
		return err
	case cdc.Reshape:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.reshaped = append(c.reshaped, fmt.Sprint(len(ch.Table.Columns)))
		return nil
	case cdc.Read, cdc.Insert:
		var names, values []string
		for i, column := range ch.Table.Columns {
			if types[column.Name] != "" {
				names, values = append(names, column.Name), append(values, "CAST(CAST("+arg(ch.New[i])+" AS text) AS "+types[column.Name]+")")
			}
		}
		query = "INSERT INTO items (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(values, ", ") + ")"
	case cdc.Update:
		var sets []string
		for i, column := range ch.Table.Columns {
			if ch.New[i].Unchanged {
				c.large++
			} else if types[column.Name] != "" {
				sets = append(sets, column.Name+" = CAST(CAST("+arg(ch.New[i])+" AS text) AS "+types[column.Name]+")")
			}
		}
		query = "UPDATE items SET " + strings.Join(sets, ", ") + " WHERE id = CAST(CAST(" + arg(cdc.Value{Text: ch.Key()[0]}) + " AS text) AS integer)"
	case cdc.Delete:
		query = "DELETE FROM items WHERE id = CAST(CAST(" + arg(cdc.Value{Text: ch.Key()[0]}) + " AS text) AS integer)"
	}
	res, err := t.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("%d rows", n))
	}
	return nil
}

func source(t *testing.T, db *sql.DB) cdc.Source {
	t.Helper()
	s, err := logical.NewSource(logical.SourceConfig{URL: urlOf(t, db), Tables: []string{"public.items"}})
	dbtest.Succeed(t, err)
	return s
}

// followed runs a follower and returns how to stop it.
func followed(t *testing.T, target *sql.DB, s cdc.Source, c *copier) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	f := &cdc.Follower{DB: target, Source: s, Name: "items", Handle: c.handle, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	go func() { done <- f.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// pair makes a source and a target with the table.
func pair(t *testing.T) (from, to *sql.DB) {
	t.Helper()
	from, to = fresh(t)(), open(t, pgtest.Database(t))
	dbtest.Execute(t, from, items)
	dbtest.Execute(t, to, items)
	dbtest.Succeed(t, cdc.Migrate(t.Context(), to))
	return from, to
}

func same(t *testing.T, from, to *sql.DB) {
	t.Helper()
	want := dbtest.Value[string](t, from, sum)
	tick := time.NewTicker(50 * time.Millisecond) // it reads all of it
	defer tick.Stop()
	for end := time.Now().Add(dbtest.Patience); ; <-tick.C {
		got := dbtest.Value[string](t, to, sum)
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the copy has %s, the source %s", got, want)
		}
	}
}

// copied waits until the copy is made and changes are followed.
func copied(t *testing.T, from, to *sql.DB) {
	t.Helper()
	dbtest.Eventually(t, "the copy", func() bool {
		var state string
		return to.QueryRowContext(t.Context(), `SELECT state FROM muster_cdc`).Scan(&state) == nil && state == "following"
	})
	if from != nil {
		same(t, from, to)
	}
}

// scribble changes the source at random, by transactions some of which are rolled back.
func scribble(ctx context.Context, db *sql.DB, rnd *rand.Rand) error {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback() }() // after a commit it does nothing
	for range 1 + rnd.IntN(5) {
		id, to := rnd.IntN(3000), 3000+rnd.IntN(1<<30)
		switch rnd.IntN(7) {
		case 0, 1:
			_, err = t.ExecContext(ctx, `INSERT INTO items VALUES ($1::integer, 'n''☃' || $1::integer, (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 90)), $1::integer / 7.0, now(), $1::integer % 3 = 0, decode('00ff', 'hex')) ON CONFLICT DO NOTHING`, id)
		case 2:
			_, err = t.ExecContext(ctx, `UPDATE items SET name = NULL, amount = amount + 1 WHERE id = $1`, id) // what is large stays, and is not told
		case 3:
			_, err = t.ExecContext(ctx, `UPDATE items SET big = NULL, flag = NOT flag WHERE id BETWEEN $1 AND $1 + 5`, id)
		case 4:
			_, err = t.ExecContext(ctx, `UPDATE items SET id = $2 WHERE id = $1`, id, to)
		default:
			_, err = t.ExecContext(ctx, `DELETE FROM items WHERE id = $1`, id)
		}
		if err != nil {
			return err
		}
	}
	if rnd.IntN(5) == 0 {
		return nil
	}
	return t.Commit()
}

// The source is written to without a pause, before, while and after all is copied; followers die, fail and are cut
// off. Each change has its effect once, and the copy is the source row for row.
func TestACopyIsTheSourceRowForRow(t *testing.T) {
	pgtest.Start(t)
	from, to := pair(t)
	dbtest.Execute(t, from, `ALTER TABLE items ALTER COLUMN big SET STORAGE EXTERNAL`) // large values lie outside of their rows
	dbtest.Execute(t, from, `INSERT INTO items SELECT i, 'first', repeat(md5(i::text), 80), i, now(), true, NULL FROM generate_series(0, 1500) i`)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var writers sync.WaitGroup
	for i := range 2 {
		writers.Go(func() {
			rnd, pace := rand.New(rand.NewPCG(1, uint64(i))), time.NewTicker(4*time.Millisecond)
			defer pace.Stop()
			for ; ctx.Err() == nil; <-pace.C {
				if err := scribble(t.Context(), from, rnd); err != nil && !tx.IsRetryable(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	c := &copier{}
	var calls int
	c.fail = func() error {
		if calls++; calls%100 == 0 {
			return errors.New("no")
		}
		return nil
	}
	stop := followed(t, to, source(t, from), c)
	copied(t, nil, to)
	for range 3 {
		moved := dbtest.Value[string](t, to, `SELECT position FROM muster_cdc`)
		dbtest.Eventually(t, "changes", func() bool { return dbtest.Value[string](t, to, `SELECT position FROM muster_cdc`) != moved })
		stop() // and another takes over
		stop = followed(t, to, source(t, from), c)
		dbtest.Execute(t, from, `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active`)
	}
	end()
	writers.Wait()
	same(t, from, to)
	dbtest.Want(t, "rows that were never there again", c.begun, 1)
	if c.large == 0 {
		t.Error("no large value was left out")
	}
	dbtest.Execute(t, from, `TRUNCATE items`)
	same(t, from, to)
}

// A follower that dies in the middle of copying has it begun anew, with nothing doubled.
func TestACopyIsBegunAnew(t *testing.T) {
	from, to := pair(t)
	dbtest.Execute(t, from, `INSERT INTO items SELECT i, 'first' FROM generate_series(1, 2000) i`)
	half := make(chan struct{})
	var calls int
	c := &copier{fail: func() error {
		if calls++; calls == 3 {
			close(half)
			return errors.New("no")
		}
		return nil
	}}
	stop := followed(t, to, source(t, from), c)
	<-half
	dbtest.Execute(t, from, `UPDATE items SET name = 'second' WHERE id % 2 = 0`)
	stop()
	followed(t, to, source(t, from), &copier{})
	same(t, from, to)
	dbtest.Want(t, "begun by the first", c.begun, 1)
}

// What the columns become is told, before the first row that has them.
func TestOtherColumnsAreTold(t *testing.T) {
	from, to := pair(t)
	dbtest.Execute(t, from, `INSERT INTO items VALUES (1, 'a')`)
	c := &copier{}
	stop := followed(t, to, source(t, from), c)
	copied(t, from, to)
	for _, s := range []string{`INSERT INTO items VALUES (2)`, `ALTER TABLE items ADD COLUMN more text`, `UPDATE items SET name = 'b'`} {
		dbtest.Execute(t, from, s)
	}
	same(t, from, to)
	stop()
	for _, s := range []string{`ALTER TABLE items DROP COLUMN more`, `ALTER TABLE items ALTER COLUMN name TYPE varchar(40)`, `INSERT INTO items VALUES (3, 'c')`} {
		dbtest.Execute(t, from, s)
	}
	stop = followed(t, to, source(t, from), c) // which reads what happened meanwhile
	same(t, from, to)
	stop()
	dbtest.Want(t, "told, as numbers of columns", strings.Join(c.reshaped, " "), "8 7")
}

// A slot that is gone is said, nothing is followed by another, and a person has all of it copied anew.
func TestALostSlotStopsTheFollower(t *testing.T) {
	from, to := pair(t)
	dbtest.Execute(t, from, `INSERT INTO items VALUES (1, 'a')`)
	c := &copier{}
	stop := followed(t, to, source(t, from), c)
	copied(t, from, to)
	stop()
	dbtest.Execute(t, from, `INSERT INTO items VALUES (2, 'b')`)
	dbtest.Eventually(t, "the slot to be free", func() bool {
		_, err := from.ExecContext(t.Context(), `SELECT pg_drop_replication_slot('muster_cdc_items')`)
		return err == nil
	})
	followed(t, to, source(t, from), c)
	var s cdc.Status
	dbtest.Eventually(t, "the loss to be seen", func() bool {
		list, err := cdc.Stats(t.Context(), to)
		dbtest.Succeed(t, err)
		s = list[0]
		return s.State == "lost"
	})
	if !strings.Contains(s.Lost, "muster_cdc_items is missing") {
		t.Error(s.Lost)
	}
	dbtest.Want(t, "the copy", dbtest.Value[int](t, to, `SELECT count(*) FROM items`), 1)
	dbtest.Want(t, "by nobody", problem.CodeOf(cdc.Recopy(t.Context(), to, "items", "", "x")), problem.InvalidArgument)
	dbtest.Want(t, "of nothing", problem.CodeOf(cdc.Recopy(t.Context(), to, "nothing", "ann", "x")), problem.NotFound)
	dbtest.Succeed(t, cdc.Recopy(t.Context(), to, "items", "ann", "the slot was dropped"))
	same(t, from, to)
	dbtest.Execute(t, from, `INSERT INTO items VALUES (3, 'c')`)
	same(t, from, to)
	dbtest.Execute(t, to, `UPDATE items SET name = 'damaged'`)
	dbtest.Succeed(t, cdc.Recopy(t.Context(), to, "items", "ann", "the copy was damaged")) // while it is followed
	same(t, from, to)
	dbtest.Want(t, "begun", c.begun, 3)
}

// What cannot be followed is one line, and is told before anything is published.
func TestWhatCannotBeFollowed(t *testing.T) {
	from, to := pair(t)
	for _, s := range []string{`CREATE TABLE keyless (x text)`, `CREATE TABLE parts (x integer) PARTITION BY LIST (x)`, `CREATE PUBLICATION narrow FOR TABLE items WITH (publish = 'insert')`, `CREATE PUBLICATION other FOR TABLE keyless`} {
		dbtest.Execute(t, from, s)
	}
	for name, c := range map[string]struct {
		config logical.SourceConfig
		says   string
	}{
		"no key":          {logical.SourceConfig{Tables: []string{"public.keyless"}}, "ALTER TABLE public.keyless REPLICA IDENTITY FULL"},
		"no table":        {logical.SourceConfig{Tables: []string{"public.nothing"}}, "the source has no table public.nothing"},
		"in parts":        {logical.SourceConfig{Tables: []string{"public.parts"}}, "is no plain table"},
		"not all changes": {logical.SourceConfig{Tables: []string{"public.items"}, Publication: "narrow"}, "ALTER PUBLICATION narrow SET (publish ="},
		"not the table":   {logical.SourceConfig{Tables: []string{"public.items"}, Publication: "other"}, `ALTER PUBLICATION other ADD TABLE "public"."items"`},
	} {
		c.config.URL = urlOf(t, from)
		s, err := logical.NewSource(c.config)
		dbtest.Succeed(t, err)
		err = (&cdc.Follower{DB: to, Source: s, Name: "x", Handle: (&copier{}).handle}).Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	dbtest.Want(t, "slots", dbtest.Value[int](t, from, `SELECT count(*) FROM pg_replication_slots WHERE database = current_database()`), 0)
	for name, c := range map[string]logical.SourceConfig{
		"bad URL": {URL: "postgres://user:secret@host:notaport/x", Tables: []string{"a.b"}}, "no tables": {URL: urlOf(t, from)},
		"no schema": {URL: urlOf(t, from), Tables: []string{"items"}}, "bad name": {URL: urlOf(t, from), Tables: []string{"a.b"}, Publication: "a; b"},
	} {
		if _, err := logical.NewSource(c); err == nil || !strings.HasPrefix(err.Error(), "logical: ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	dbtest.Succeed(t, source(t, from).Forget(t.Context(), "items"))
}
