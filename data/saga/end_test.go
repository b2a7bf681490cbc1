package saga

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
)

// desk is a database with one saga that is due, and what was asked of it.
type desk struct {
	mu      sync.Mutex
	claimed bool
	asked   []string
	write   func() error // what becomes of what is recorded
}

func (d *desk) do(statement string) ([]driver.Value, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, statement)
	switch {
	case strings.Contains(statement, "owner = $1, leased_until") && !d.claimed:
		d.claimed = true
		return []driver.Value{
			"x", "o-1", int64(1), "running", int64(0), "a", int64(0), int64(0), int64(0), []byte(`j{}`), int64(1), "me",
			int64(1), "", "", "", int64(1), int64(1), int64(1), int64(1), int64(0), int64(1),
		}, nil
	case strings.Contains(statement, "RETURNING seq"):
		if d.write != nil {
			return nil, d.write()
		}
		return []driver.Value{int64(2)}, nil
	}
	return nil, nil
}

// count is how many statements of a kind there were.
func (d *desk) count(part string) (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.asked {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

const (
	transition = "RETURNING seq"
	allGo      = "WHERE owner = $1"
	beat       = "WITH own"
	swept      = "'compensated') AND ended <"
)

// stopped runs an engine with one step for a second, ends it, and returns what Run said
// and how long that took.
func stopped(t *testing.T, d *desk, step Step[order]) (time.Duration, error) {
	t.Helper()
	e, err := New(dbtest.Fake(d.do).Pool(t), Config{}, &Saga[order]{Name: "x", Version: 1, Steps: []Step[order]{step}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun := time.Now()
	err = e.Run(ctx)
	return time.Since(begun) - time.Second, err
}

// A step that ignores its context does not hold the end of the process: it is named.
func TestAStepThatDoesNotEndIsNotWaitedForForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, wake := &desk{}, make(chan struct{})
		took, err := stopped(t, d, Remote[order]{Name: "a", Do: func(context.Context, *order) error {
			<-wake
			return nil
		}})
		if took != patient || err == nil || !strings.Contains(err.Error(), "x o-1 at step a") || !strings.Contains(err.Error(), "1 steps did not end within 8s") {
			t.Errorf("after %s: %v", took, err)
		}
		if n := d.count(beat); n < 7 {
			t.Errorf("%d beats while it was waited for: another would have taken over", n)
		}
		if n := d.count(allGo) - d.count(beat); n != 0 {
			t.Error("let go of what is still being carried out")
		}
		close(wake)
		synctest.Wait()
		if n := d.count(transition); n != 0 {
			t.Error("written after Run returned")
		}
	})
}

// One that heeds it ends in time, and so does what cannot be recorded.
func TestAStepThatEndsWithItsContext(t *testing.T) {
	for name, write := range map[string]func() error{"recorded": nil, "not recorded": func() error { return errors.New("the disk is full") }} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{write: write}
				took, err := stopped(t, d, Remote[order]{Name: "a", Do: func(ctx context.Context, _ *order) error {
					<-ctx.Done()
					return ctx.Err()
				}})
				if took != grace || err != nil {
					t.Errorf("after %s: %v", took, err)
				}
				if d.count(transition) != 1 || d.count(allGo)-d.count(beat) != 1 {
					t.Errorf("%d transitions; asked %q", d.count(transition), d.asked)
				}
			})
		})
	}
}

func TestSweepsComeByThemselves(t *testing.T) {
	for _, tc := range []struct {
		keep        time.Duration
		least, most int // in three hours
	}{{0, 12, 25}, {-1, 0, 0}, {time.Hour, 12, 25}, {2 * time.Minute, 72, 108}} {
		t.Run(tc.keep.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{claimed: true}
				e, err := New(dbtest.Fake(d.do).Pool(t), Config{Keep: tc.keep}, &Saga[order]{Name: "x", Version: 1, Steps: []Step[order]{local("a")}})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
				defer cancel()
				if err := e.Run(ctx); err != nil {
					t.Error(err)
				}
				if n := d.count(swept); n < tc.least || n > tc.most {
					t.Errorf("%d sweeps, want %d to %d", n, tc.least, tc.most)
				}
			})
		})
	}
}
