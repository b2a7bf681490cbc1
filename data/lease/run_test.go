package lease_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/lease"
)

// database is one with a free lease; extend answers the beats.
func database(extend func() (affected int64, err error)) dbtest.Fake {
	return func(statement string) ([]driver.Value, error) {
		switch {
		case strings.HasPrefix(statement, "SELECT"):
			return []driver.Value{int64(0)}, nil
		case statement == "BEGIN", statement == "COMMIT", statement == "ROLLBACK":
			return nil, nil
		case strings.Contains(statement, "fence = fence + 1"): // it is taken
			return []driver.Value{int64(1)}, nil
		case strings.Contains(statement, "held_until = 0"):
			return []driver.Value{int64(1)}, nil
		default:
			n, err := extend()
			return []driver.Value{n}, err
		}
	}
}

// A database that does not answer is borne until the lease runs out; then the work is
// stopped, in time.
func TestAHolderStopsWhenItCannotExtendInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		db := database(func() (int64, error) {
			if away.Load() {
				return 0, errors.New("no connection")
			}
			return 1, nil
		}).Pool(t)
		ctx, cancel := context.WithCancel(t.Context())
		terms := 0
		err := lease.Run(ctx, db, "work", "me", func(ctx context.Context, _ lease.Held) error {
			if terms++; terms == 2 { // after the loss it was waited for again
				cancel()
				return nil
			}
			<-time.After(time.Minute)
			if ctx.Err() != nil {
				t.Error("lost while the database answered")
			}
			away.Store(true)
			last := time.Now() // of the last beat that was answered
			<-ctx.Done()
			if took := time.Since(last); took < lease.Length-lease.Beat || took > lease.Length {
				t.Errorf("stopped after %s", took)
			}
			if cause := context.Cause(ctx); !errors.Is(cause, lease.ErrLost) {
				t.Errorf("stopped by %v", cause)
			}
			away.Store(false)
			return context.Cause(ctx)
		})
		if err != nil || terms != 2 {
			t.Errorf("%d terms, %v", terms, err)
		}
	})
}

// A beat that hangs does not keep the work going beyond its time, nor Run from ending.
func TestABeatThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		db := database(func() (int64, error) {
			<-hang
			return 1, nil
		}).Pool(t)
		ctx, cancel := context.WithCancel(t.Context())
		err := lease.Run(ctx, db, "work", "me", func(ctx context.Context, _ lease.Held) error {
			begin := time.Now()
			<-ctx.Done()
			if took := time.Since(begin); took != lease.Length {
				t.Errorf("stopped after %s", took)
			}
			close(hang)
			cancel()
			return context.Cause(ctx)
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestWhatCannotRun(t *testing.T) {
	db := database(nil).Pool(t)
	work := func(context.Context, lease.Held) error { return nil }
	for name, err := range map[string]error{
		"no database": lease.Run(t.Context(), nil, "work", "me", work),
		"no name":     lease.Run(t.Context(), db, "", "me", work),
		"no work":     lease.Run(t.Context(), db, "work", "me", nil),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "lease: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lease.Run(canceled, db, "work", "me", func(context.Context, lease.Held) error { return errors.New("ran") }); err != nil {
		t.Error(err)
	}
}
