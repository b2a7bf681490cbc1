package simulation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/proof/simulation"
)

// stage is what histories are played on, one after the other.
func stage(t *testing.T) *simulation.Stage {
	t.Helper()
	s, err := simulation.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func play(t *testing.T, s *simulation.Stage, seed uint64) (r simulation.Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if r, err = s.Play(seed); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// fail reports a history in which something was wrong.
func fail(t *testing.T, r simulation.Report) {
	t.Helper()
	for _, wrong := range r.Wrong {
		t.Errorf("seed %d: %s", r.Seed, wrong)
	}
	trail := filepath.Join(os.TempDir(), fmt.Sprintf("muster-history-%d.txt", r.Seed))
	if err := os.WriteFile(trail, []byte(r.Trail()), 0o600); err != nil {
		t.Error(err)
	}
	t.Errorf("seed %d: all that left a process is in %s; play it again by:\n\tSEED=%d go test -count=1 -run '^TestSeed$' ./proof/simulation", r.Seed, trail, r.Seed)
}

// histories plays so many on all cores, and stops at the first in which something is wrong.
func histories(t *testing.T, first, n uint64) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // much is made and forgotten
	var next, steps, faults, took atomic.Int64
	var stop atomic.Bool
	began := time.Now()
	t.Run("workers", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				s := stage(t)
				for {
					i := uint64(next.Add(1)) - 1
					if i >= n || stop.Load() {
						return
					}
					r := play(t, s, first+i)
					steps.Add(int64(r.Steps))
					faults.Add(int64(r.Faults))
					took.Add(int64(r.Took))
					if len(r.Wrong) > 0 || t.Failed() {
						stop.Store(true)
						fail(t, r)
						return
					}
				}
			})
		}
	})
	if !t.Failed() {
		t.Logf("%d histories, %d faults, %d things that left a process, %v of their own time: nothing wrong, in %v",
			n, faults.Load(), steps.Load(), time.Duration(took.Load()).Round(time.Second), time.Since(began).Round(time.Millisecond))
	}
}

// A few, under the race detector too.
func TestSomeHistories(t *testing.T) { histories(t, 1_000_000, 30) }

// The one history that SEED names, up to a hundred times: what happens within a process no seed decides.
func TestSeed(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		t.Skip("SEED names the history to be played again")
	}
	s := stage(t)
	for try := range 100 {
		if r := play(t, s, seed); len(r.Wrong) > 0 {
			t.Logf("at try %d", try+1)
			fail(t, r)
			return
		}
	}
}
