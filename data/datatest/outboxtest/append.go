package outboxtest

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func (w way) committed(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	w.relayed(t, db, b)
	boom := errors.New("boom")
	for i := range 6 {
		err := tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
			if err := outbox.Append(ctx, tx, happened, "a", event{"a", i/2 + 1}); err != nil {
				return err
			}
			if i%2 == 1 {
				return boom
			}
			return nil
		})
		if (i%2 == 1) != errors.Is(err, boom) {
			t.Error(err)
		}
	}
	w.drained(t, db)
	b.wantOrder(t, "a", 3)
}

// A message arrives as it was appended.
func (w way) contents(t *testing.T, open func() *sql.DB) {
	db, b := w.migrated(t, open), newBroker()
	full := bus.Msg{
		ID: "1-ü"[:2], Source: "/elsewhere", Topic: "test.full", Subject: "s ✓", Key: "k 'x' $1", Time: time.Date(2026, 11, 23, 1, 2, 3, 456789, time.UTC),
		ContentType: "application/octet-stream", Schema: "https://example.org/s", Sequence: "7", Causation: "c", Correlation: "r",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=b",
		Extensions: map[string]string{"region": "eu"}, Data: []byte("\x00\xff\x01"),
	}
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		return errors.Join(outbox.AppendMsg(ctx, tx, full), outbox.AppendMsg(ctx, tx, bus.Msg{Topic: "test.bare"}))
	}))
	w.relayed(t, db, b)
	w.drained(t, db)
	got := b.stored
	dbtest.Want(t, "messages", len(got), 2)
	gotFull, wantFull := got[0].Attributes(), full.Attributes()
	for name, value := range wantFull {
		dbtest.Want(t, name, gotFull[name], value)
	}
	dbtest.Want(t, "attributes", len(gotFull), len(wantFull))
	dbtest.Want(t, "data", string(got[0].Data), string(full.Data))
	bare := got[1]
	if bare.ID == "" || bare.Source != "/test" || time.Since(bare.Time).Abs() > time.Minute || len(bare.Sequence) != 20 || len(bare.Data) != 0 {
		t.Errorf("the bare message: %+v", bare)
	}
}

// The relay is woken by the commit and not before: it publishes at once, though its
// next look would have been far away.
func (w way) woken(t *testing.T, open func() *sql.DB) {
	t.Parallel() // it waits most of the time
	db, b := w.migrated(t, open), newBroker()
	ctx, cancel := context.WithCancel(t.Context())
	r := w.relay(t, &outbox.Relay{DB: db, Publisher: b, Source: "/test", Idle: time.Hour})
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		dbtest.Succeed(t, <-done)
	})
	holds(t, db, 0)
	idle := time.NewTimer(3 * time.Second) // in which the pauses between its looks grow to seconds
	<-idle.C
	for i := range 3 {
		dbtest.Succeed(t, tx.Do(outbox.WithRelay(t.Context(), r), db, func(ctx context.Context, tx *sql.Tx) error {
			err := outbox.Append(ctx, tx, happened, "a", event{"a", i + 1})
			dbtest.Want(t, "published within the transaction", b.count(), i)
			return err
		}))
		begin := time.Now()
		dbtest.Eventually(t, "the event", func() bool { return b.count() == i+1 })
		t.Logf("published %s after the commit", time.Since(begin).Round(100*time.Microsecond))
		if took := time.Since(begin); took > time.Second {
			t.Errorf("published %s after the commit", took)
		}
	}
}

func (w way) badInput(t *testing.T, open func() *sql.DB) {
	db := w.migrated(t, open)
	for name, c := range map[string]struct {
		add  func(ctx context.Context, tx tx.Tx) error
		code problem.Code
	}{
		"too large": {func(ctx context.Context, tx tx.Tx) error {
			return outbox.Append(ctx, tx, happened, "", event{Key: strings.Repeat("x", bus.MaxData)})
		}, problem.TooLarge},
		"no topic": {func(ctx context.Context, tx tx.Tx) error {
			return outbox.Append(ctx, tx, bus.Topic[event]{Name: "Placed"}, "", event{})
		}, problem.InvalidArgument},
		"not to be written": {func(ctx context.Context, tx tx.Tx) error {
			return outbox.Append(ctx, tx, bus.Topic[func()]{Name: "test.bad"}, "", func() {})
		}, problem.InvalidArgument},
		"no valid key": {func(ctx context.Context, tx tx.Tx) error {
			return outbox.Append(ctx, tx, happened, "a\x00b", event{})
		}, problem.InvalidArgument},
		"no valid id": {func(ctx context.Context, tx tx.Tx) error {
			return outbox.AppendMsg(ctx, tx, bus.Msg{ID: "a b", Topic: "test.bad"})
		}, problem.InvalidArgument},
	} {
		err := tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error { return c.add(ctx, tx) })
		dbtest.Want(t, name, problem.CodeOf(err), c.code)
	}
	w.wantRows(t, db, 0)
	for name, r := range map[string]*outbox.Relay{
		"no database":  {Publisher: newBroker(), Source: "/test"},
		"no publisher": {DB: db, Source: "/test"},
		"no source":    {DB: db, Publisher: newBroker()},
		"bad source":   {DB: db, Publisher: newBroker(), Source: "not a source"},
	} {
		if err := r.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "outbox: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func (w way) unmigrated(t *testing.T, open func() *sql.DB) {
	db := open()
	errs := map[string]error{
		"Append": tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
			return outbox.Append(ctx, tx, happened, "a", event{})
		}),
		"Discard": outbox.Discard(t.Context(), db, "1"),
		"Retry":   outbox.Retry(t.Context(), db, "1"),
	}
	_, errs["Waiting"] = outbox.Waiting(t.Context(), db)
	_, errs["ListRefused"] = outbox.ListRefused(t.Context(), db, 1)
	for name, err := range errs {
		if err == nil || strings.Count(err.Error(), "call outbox.Migrate") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := &outbox.Relay{DB: db, Publisher: newBroker(), Source: "/test"}
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), ".Migrate") {
		t.Errorf("Run: %v", err)
	}
}

// What the database says of itself reaches the caller, with its code.
func (w way) readOnly(t *testing.T, open func() *sql.DB) {
	db := w.migrated(t, open)
	err := tx.Read(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		return outbox.Append(ctx, tx, happened, "a", event{})
	})
	dbtest.Want(t, "code of a write", tx.SQLState(err), "25006")
	if err == nil || !strings.HasPrefix(err.Error(), "outbox: ") {
		t.Error(err)
	}
}

func (w way) schema(t *testing.T, open func() *sql.DB) {
	db := w.migrated(t, open)
	appendAll(t, db, "a", 1, 1)
	dbtest.Together(4, func(int) {
		if err := outbox.Migrate(t.Context(), db); err != nil {
			t.Error(err)
		}
	})
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fstest.MapFS{"00001_own.sql": {Data: []byte("-- +goose Up\nCREATE TABLE own (x INTEGER);\n")}}))
	w.wantRows(t, db, 1)
}
