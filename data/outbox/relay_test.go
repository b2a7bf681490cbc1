package outbox

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// empty is a database whose outbox is; it counts the looks into it.
func empty(looks *atomic.Int64, fail func() error) dbtest.Fake {
	var appended atomic.Bool // then its commit may fail, not that of the lease
	return func(statement string) ([]driver.Value, error) {
		switch {
		case strings.HasPrefix(statement, "SELECT held_until"):
			return []driver.Value{int64(0)}, nil
		case strings.HasPrefix(statement, "SELECT id"):
			looks.Add(1)
			return nil, fail()
		case strings.HasPrefix(statement, "INSERT INTO muster_outbox"), statement == "COMMIT" && appended.Load():
			appended.Store(true)
			return []driver.Value{int64(1)}, fail()
		default:
			return []driver.Value{int64(1)}, nil
		}
	}
}

func fine() error { return nil }

// ran runs a relay for so long in the time of a bubble, while also runs.
func ran(t *testing.T, r *Relay, length time.Duration, also func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	also()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type nobody struct{}

func (nobody) Publish(context.Context, []bus.Msg) []bus.Result { return nil }

// An idle relay looks once a second, and a few times more for many wake-ups.
func TestAnIdleRelayIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		r := &Relay{DB: empty(&looks, fine).Pool(t), Publisher: nobody{}, Source: "/test"}
		ran(t, r, 5*time.Minute, func() {
			<-time.After(2*time.Minute + time.Second/2)
			before := looks.Load()
			if before > 130 {
				t.Errorf("%d looks in two minutes", before)
			}
			for range 1000 {
				r.Wake()
			}
			synctest.Wait()
			if n := looks.Load() - before; n < 1 || n > 100 {
				t.Errorf("%d looks for a thousand wake-ups", n)
			}
		})
		if n := looks.Load(); n < 290 || n > 320 {
			t.Errorf("%d looks in five minutes", n)
		}
	})
}

// The bell is rung by the commit, never within the transaction and not without one.
func TestAppendRingsAfterTheCommit(t *testing.T) {
	topic := bus.Topic[string]{Name: "test.rung"}
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		commit, fn error
		rung       int
	}{"committed": {nil, nil, 1}, "rolled back": {nil, boom, 0}, "commit failed": {boom, nil, 0}} {
		t.Run(name, func(t *testing.T) {
			r := &Relay{}
			inside := true
			db := empty(new(atomic.Int64), func() error {
				if inside {
					return nil
				}
				return c.commit
			}).Pool(t)
			err := tx.Do(WithRelay(t.Context(), r), db, func(ctx context.Context, tx *sql.Tx) error {
				for range 3 {
					if err := Append(ctx, tx, topic, "k", "x"); err != nil {
						t.Error(err)
					}
				}
				if len(r.rung()) != 0 {
					t.Error("rung within the transaction")
				}
				inside = false
				return c.fn
			})
			if (err != nil) != (c.rung == 0) {
				t.Error(err)
			}
			if n := len(r.rung()); n != c.rung {
				t.Errorf("rung %d times, want %d", n, c.rung)
			}
		})
	}
	if ctx := WithRelay(t.Context(), nil); ctx != t.Context() {
		t.Error("no relay changes the context")
	}
}

// What is wrong with the database is logged once a second, not at every turn of a loop.
func TestAFailingDatabaseIsTriedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		r := &Relay{DB: empty(&looks, func() error { return errors.New("disk full") }).Pool(t), Publisher: nobody{}, Source: "/test"}
		ran(t, r, time.Minute, func() {
			for range 50 { // wake-ups mend nothing
				<-time.After(time.Second)
				r.Wake()
			}
		})
		if n := looks.Load(); n < 55 || n > 65 {
			t.Errorf("%d looks in a minute", n)
		}
	})
}

func TestJudge(t *testing.T) {
	refusal := problem.New(problem.TooLarge, "too large")
	away := errors.New("away")
	for name, c := range map[string]struct {
		keys    string // one letter a message, - for none
		results []error
		gone    int
		refused string // their numbers, from 1
		failed  error
	}{
		"all stored":                  {"aab", []error{nil, nil, nil}, 3, "", nil},
		"one refused":                 {"aab", []error{refusal, bus.ErrBehind, nil}, 1, "1", nil},
		"those behind copy its error": {"aaab", []error{refusal, refusal, away, nil}, 1, "1", nil},
		"without keys":                {"--", []error{refusal, refusal}, 0, "12", nil},
		"behind one that failed":      {"aa", []error{bus.ErrBatch, refusal}, 0, "2", bus.ErrBatch},
		"away":                        {"ab", []error{away, away}, 0, "", away},
	} {
		var rows []row
		var results []bus.Result
		for i, key := range c.keys {
			r := row{id: int64(i + 1)}
			if key != '-' {
				r.Key = string(key)
			}
			rows = append(rows, r)
			results = append(results, bus.Result{Err: c.results[i]})
		}
		gone, refused, failed := judge(rows, results)
		var marked strings.Builder
		for _, r := range refused {
			marked.WriteByte('0' + byte(r.id))
		}
		if len(gone) != c.gone || marked.String() != c.refused {
			t.Errorf("%s: %d gone, %s refused, %v", name, len(gone), marked.String(), failed)
		}
		if c.failed != nil && !errors.Is(failed, c.failed) {
			t.Errorf("%s: failed with %v", name, failed)
		}
	}
}
