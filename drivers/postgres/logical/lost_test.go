package logical_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/postgres/logical"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/problem"
)

var counted = bus.Topic[int]{Name: "test.counted"} //nolint:gochecknoglobals // a topic is a constant

// heard is a broker that knows what it has, and keeps its order.
type heard struct {
	mu    sync.Mutex
	known map[string]bool
	keys  map[string][]string // the data of each key
}

func newHeard() *heard { return &heard{known: map[string]bool{}, keys: map[string][]string{}} }

func (h *heard) Publish(_ context.Context, msgs []bus.Msg) []bus.Result {
	h.mu.Lock()
	defer h.mu.Unlock()
	results := make([]bus.Result, len(msgs))
	for i, m := range msgs {
		if results[i].Known = h.known[m.ID]; !h.known[m.ID] {
			h.known[m.ID] = true
			h.keys[m.Key] = append(h.keys[m.Key], string(m.Data))
		}
	}
	return results
}

func (h *heard) of(key string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.keys[key], " ")
}

// run starts a relay and returns how to stop it.
func run(t *testing.T, db *sql.DB, b bus.Publisher, s outbox.Stream, log *slog.Logger) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	r := &outbox.Relay{DB: db, Publisher: b, Source: "/test", Stream: s, Idle: 50 * time.Millisecond, Log: log}
	go func() { done <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func add(t *testing.T, db *sql.DB, key string, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, t *sql.Tx) error { return outbox.Append(ctx, t, counted, key, n) }))
	}
}

func waitFor(t *testing.T, b *heard, key, want string) {
	t.Helper()
	dbtest.Eventually(t, fmt.Sprintf("%s of %s", want, key), func() bool { return b.of(key) == want })
}

func logOf(t *testing.T, db *sql.DB) *outbox.Log {
	t.Helper()
	w, err := outbox.Waiting(t.Context(), db)
	dbtest.Succeed(t, err)
	return w.Log
}

// Whatever happens to the slot, nothing is skipped in silence: the relay stops and says so, what is
// appended meanwhile is kept, and a person lets it go on.
func TestALostSlotStopsTheOutbox(t *testing.T) {
	pgtest.Start(t)
	for name, c := range map[string]struct {
		damage []string
		says   string
	}{
		"dropped":   {[]string{`SELECT pg_drop_replication_slot(slot) FROM muster_outbox_log`}, "is missing"},
		"made anew": {[]string{`SELECT pg_drop_replication_slot(slot) FROM muster_outbox_log`, `SELECT pg_create_logical_replication_slot(slot, 'pgoutput') FROM muster_outbox_log`}, "somebody made it anew"},
		"of another plugin": {
			[]string{`SELECT pg_drop_replication_slot(slot) FROM muster_outbox_log`, `SELECT pg_create_logical_replication_slot(slot, 'test_decoding') FROM muster_outbox_log`}, "is another one",
		},
		"read by another": {[]string{`SELECT pg_replication_slot_advance(slot, pg_current_wal_lsn()) FROM muster_outbox_log`}, "or read it"},
		"given up": {
			[]string{
				`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`, `SELECT pg_reload_conf()`, `CREATE TABLE filler (x text)`,
				`INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 100)`, `SELECT pg_switch_wal()`, `INSERT INTO filler VALUES ('y')`,
				`SELECT pg_switch_wal()`, `INSERT INTO filler VALUES ('z')`, `SELECT pg_switch_wal()`, `CHECKPOINT`, `ALTER SYSTEM RESET max_slot_wal_keep_size`, `SELECT pg_reload_conf()`,
			},
			"given the replication slot",
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := fresh(t)()
			dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
			b := newHeard()
			stop := run(t, db, b, stream(t, db), nil)
			dbtest.Eventually(t, "the log", func() bool { return logOf(t, db) != nil })
			add(t, db, "a", 1)
			waitFor(t, b, "a", "1")
			stop()
			add(t, db, "a", 2) // nobody will read it
			dbtest.Eventually(t, "the slot to be free", func() bool { return !logOf(t, db).Active })
			for _, statement := range c.damage {
				dbtest.Execute(t, db, statement)
			}
			if name == "read by another" || name == "made anew" {
				add(t, db, "a", 3)
			}
			var said bytes.Buffer
			stop = run(t, db, b, stream(t, db), slog.New(slog.NewTextHandler(&said, nil)))
			dbtest.Eventually(t, "the loss to be seen", func() bool { return logOf(t, db).Lost != "" })
			if l := logOf(t, db); !strings.Contains(l.Lost, c.says) {
				t.Errorf("said %q, want %q", l.Lost, c.says)
			}
			add(t, db, "a", 4, 5)
			dbtest.Want(t, "kept in the table", dbtest.Value[int](t, db, "SELECT count(*) FROM muster_outbox"), 2)
			dbtest.Want(t, "published", b.of("a"), "1")

			dbtest.Want(t, "by nobody", problem.CodeOf(outbox.AcceptLoss(t.Context(), db, " ", "x")), problem.InvalidArgument)
			rec := httptest.NewRecorder()
			req := httptest.NewRequestWithContext(t.Context(), "POST", "/.muster/outbox/log/accept", strings.NewReader(`{"by":"ann","why":"told the mailer by hand"}`))
			req.Header.Set("Content-Type", "application/json")
			outbox.Handler(db).ServeHTTP(rec, req)
			dbtest.Want(t, "answer", rec.Body.String(), "{\"accepted\":1}\n")
			dbtest.Want(t, "again", problem.CodeOf(outbox.AcceptLoss(t.Context(), db, "ann", "x")), problem.FailedPrecondition)
			waitFor(t, b, "a", "1 4 5")
			add(t, db, "a", 6)
			waitFor(t, b, "a", "1 4 5 6")
			dbtest.Eventually(t, "the table to be empty", func() bool { return dbtest.Value[int](t, db, "SELECT count(*) FROM muster_outbox") == 0 })
			dbtest.Want(t, "by the log again", logOf(t, db).Lost, "")
			stop()
			if !strings.Contains(said.String(), "publishes nothing") || !strings.Contains(said.String(), "log/accept") {
				t.Errorf("the log says %s", said.String())
			}
		})
	}
}

// Relays that do not read the log do not run beside it, and there is a way back, with nothing lost.
func TestTheWayBack(t *testing.T) {
	db := fresh(t)()
	dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
	dbtest.Succeed(t, outbox.Leave(t.Context(), db, stream(t, db))) // it was never there
	b := newHeard()
	stop := run(t, db, b, stream(t, db), nil)
	dbtest.Eventually(t, "the log", func() bool { return logOf(t, db) != nil })
	slot := logOf(t, db).Slot
	bounded, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	if err := outbox.Leave(bounded, db, stream(t, db)); err == nil || !strings.Contains(err.Error(), "a relay is at work") {
		t.Errorf("beside a relay: %v", err)
	}
	cancel()
	add(t, db, "a", 1)
	waitFor(t, b, "a", "1")
	stop()
	add(t, db, "a", 2, 3)
	plain := &outbox.Relay{DB: db, Publisher: b, Source: "/test"}
	if err := plain.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "outbox.Leave") {
		t.Errorf("a relay that would not see the log: %v", err)
	}
	dbtest.Succeed(t, outbox.Leave(t.Context(), db, stream(t, db)))
	if n := dbtest.Value[int](t, db, "SELECT count(*) FROM muster_outbox"); n != 2 && n != 3 { // the first may not have been noted
		t.Errorf("%d in the table", n)
	}
	dbtest.Want(t, "slots", dbtest.Value[int](t, db, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1", slot), 0)
	add(t, db, "a", 4)
	run(t, db, b, nil, nil)
	waitFor(t, b, "a", "1 2 3 4")
}

// Writers do not notice by which way their messages leave, nor does their order.
func TestTheWayChangesUnderWriters(t *testing.T) {
	const keys = 4
	db := fresh(t)()
	dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
	dbtest.Execute(t, db, "CREATE TABLE counter (key TEXT PRIMARY KEY, n INTEGER NOT NULL)")
	for k := range keys {
		dbtest.Execute(t, db, "INSERT INTO counter VALUES ($1, 0)", fmt.Sprint(k))
	}
	b := newHeard()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var writers sync.WaitGroup
	for i := range 2 * keys {
		writers.Go(func() {
			for ctx.Err() == nil {
				err := tx.Do(t.Context(), db, func(ctx context.Context, t *sql.Tx) error {
					var n int
					key := fmt.Sprint(i % keys)
					if err := t.QueryRowContext(ctx, "UPDATE counter SET n = n + 1 WHERE key = $1 RETURNING n", key).Scan(&n); err != nil {
						return err
					}
					return outbox.Append(ctx, t, counted, key, n)
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	some := func() {
		had := len(b.of("0"))
		dbtest.Eventually(t, "some more", func() bool { return len(b.of("0")) > had+100 })
	}
	for range 2 {
		stop := run(t, db, b, nil, nil)
		some()
		stop()
		stop = run(t, db, b, stream(t, db), nil)
		dbtest.Eventually(t, "the log", func() bool { return logOf(t, db) != nil })
		some()
		stop()
		for range 3 { // leaving gives way to writers and is tried again
			if err := outbox.Leave(t.Context(), db, stream(t, db)); err == nil {
				break
			} else if !tx.IsRetryable(err) {
				t.Fatal(err)
			}
		}
		dbtest.Want(t, "left", logOf(t, db) == nil, true)
	}
	end()
	writers.Wait()
	run(t, db, b, nil, nil)
	for k := range keys {
		key := fmt.Sprint(k)
		n := dbtest.Value[int](t, db, "SELECT n FROM counter WHERE key = $1", key)
		want := make([]string, n)
		for i := range n {
			want[i] = fmt.Sprint(i + 1)
		}
		dbtest.Eventually(t, "all of "+key, func() bool { return len(strings.Fields(b.of(key))) >= n })
		if !slices.Equal(strings.Fields(b.of(key)), want) {
			t.Errorf("the events of %s came as %s", key, b.of(key))
		}
	}
}

// Where nothing is appended the slot moves on with what others write, or the server would keep all of it.
func TestTheSlotMovesOnInAQuietDatabase(t *testing.T) {
	db := fresh(t)()
	dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
	s := stream(t, db)
	slot, begin, err := s.Create(t.Context(), db)
	dbtest.Succeed(t, err)
	r, err := s.Open(t.Context(), db, slot, begin)
	dbtest.Succeed(t, err)
	defer func() { dbtest.Succeed(t, r.Close()) }()
	dbtest.Execute(t, db, "CREATE TABLE others AS SELECT generate_series(1, 1000)")
	target := dbtest.Value[string](t, db, "SELECT CAST(pg_current_wal_insert_lsn() AS text)")
	dbtest.Eventually(t, "the slot to move on", func() bool {
		batch, end, err := r.Next(t.Context(), 20*time.Millisecond, 10, 1000)
		dbtest.Succeed(t, err)
		dbtest.Want(t, "messages", len(batch), 0)
		r.Confirm(end)
		return dbtest.Value[bool](t, db, "SELECT confirmed_flush_lsn >= CAST($1 AS pg_lsn) FROM pg_replication_slots WHERE slot_name = $2", target, slot)
	})
}

// What a server or a user lacks is one line, and nothing was changed.
func TestWhatCannotRun(t *testing.T) {
	db := fresh(t)()
	dbtest.Succeed(t, outbox.Migrate(t.Context(), db))
	for _, statement := range []string{"DROP ROLE IF EXISTS plain", "CREATE ROLE plain LOGIN", "GRANT ALL ON ALL TABLES IN SCHEMA public TO plain"} { // roles outlive databases
		dbtest.Execute(t, db, statement)
	}
	t.Cleanup(func() { _, _ = db.Exec("DROP OWNED BY plain; DROP ROLE plain") })
	url := strings.Replace(urlOf(t, db), "muster@", "plain@", 1)
	s, err := logical.NewStream(url, nil)
	dbtest.Succeed(t, err)
	r := &outbox.Relay{DB: open(t, url), Publisher: newHeard(), Source: "/test", Stream: s}
	want := `logical: the outbox cannot leave by the log: the user "plain" may not read the log: ALTER ROLE "plain" REPLICATION`
	if err := r.Run(t.Context()); err == nil || err.Error() != want {
		t.Errorf("without the right: %v", err)
	}
	dbtest.Want(t, "slots", dbtest.Value[int](t, db, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"), 0)
	dbtest.Execute(t, db, "ALTER ROLE plain REPLICATION")
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "GRANT CREATE ON DATABASE") {
		t.Errorf("without the publication: %v", err)
	}
	if _, err := logical.NewStream("postgres://user:secret@host:notaport/x", nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a bad URL: %v", err)
	}
}
