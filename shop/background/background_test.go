package background_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/shop/background"
)

func TestEveryGoesOnAfterAFailureUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var calls []time.Duration
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		work := background.Every(time.Second, slog.New(slog.NewTextHandler(&log, nil)), "sweep", func(context.Context) error {
			calls = append(calls, time.Since(start))
			time.Sleep(100 * time.Millisecond) // the pause begins after it
			if len(calls) == 3 {
				cancel()
				return context.Canceled
			}
			return errors.New("database away")
		})
		if err := work(ctx); err != nil {
			t.Errorf("a worker told to end returned %v", err)
		}
		want := []time.Duration{0, 1100 * time.Millisecond, 2200 * time.Millisecond}
		if len(calls) != 3 || calls[0] != want[0] || calls[1] != want[1] || calls[2] != want[2] {
			t.Errorf("called at %v, want %v", calls, want)
		}
		if n := strings.Count(log.String(), "database away"); n != 2 {
			t.Errorf("%d failures logged, want 2 and none for the end:\n%s", n, &log)
		}
	})
}

func TestEachDoesAllAtOnceAndKeepsEveryError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := background.Each(t.Context(), []string{"a", "b", "c"}, func(_ context.Context, item string) error {
			time.Sleep(time.Second)
			if item == "b" {
				return nil
			}
			return errors.New(item + " failed")
		})
		if err == nil || err.Error() != "a failed\nc failed" || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}
