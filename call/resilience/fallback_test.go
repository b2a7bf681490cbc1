package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

var (
	errDown     = problem.New(problem.Unavailable, "down")
	errNotFound = problem.New(problem.NotFound, "no such thing")
)

func TestTheOrderOfFallbacks(t *testing.T) {
	value := 7
	ctx := t.Context()
	f := &resilience.Fallback[int]{LastGood: time.Minute, Value: &value}
	if a, err := f.Instead(ctx, epoch, "k", errDown); err != nil || a.Value != 7 || a.From != resilience.FromValue || !a.Degraded() || !errors.Is(a.Cause, errDown) {
		t.Errorf("value: %+v, %v", a, err)
	}
	f.Func = func(context.Context, error) (int, error) { return 8, nil }
	if a, err := f.Instead(ctx, epoch, "k", errDown); err != nil || a.Value != 8 || a.From != resilience.FromFunc {
		t.Errorf("function: %+v, %v", a, err)
	}
	f.Keep(epoch, "k", 9)
	if a, err := f.Instead(ctx, epoch.Add(time.Minute), "k", errDown); err != nil || a.Value != 9 || a.From != resilience.FromLastGood || a.Age != time.Minute {
		t.Errorf("last good: %+v, %v", a, err)
	}
	if a, _ := f.Instead(ctx, epoch.Add(time.Minute+1), "k", errDown); a.From != resilience.FromFunc {
		t.Errorf("too old: %+v", a)
	}
	f.Func = func(context.Context, error) (int, error) { return 0, errors.New("no either") }
	if a, err := f.Instead(ctx, epoch, "other", errDown); err != nil || a.From != resilience.FromValue || !errors.Is(a.Cause, errDown) {
		t.Errorf("the function failed: %+v, %v", a, err)
	}
	if s := f.Stats(); s.LastGood != 1 || s.Func != 2 || s.Value != 2 || s.Kept != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestAnAnswerIsNotReplaced(t *testing.T) {
	value := 7
	f := &resilience.Fallback[int]{Value: &value}
	for name, test := range map[string]struct {
		err      error
		replaced bool
	}{
		"unavailable":         {errDown, true},
		"overloaded":          {problem.New(problem.ResourceExhausted, "full"), true},
		"too slow":            {context.DeadlineExceeded, true},
		"the breaker is open": {fmt.Errorf("call stock: %w", resilience.ErrOpen), true},
		"the bulkhead":        {resilience.ErrFull, true},
		"any error":           {errors.New("connection reset"), true},
		"not found":           {errNotFound, false},
		"the caller left":     {context.Canceled, false},
	} {
		a, err := f.Do(t.Context(), "k", func(context.Context) (int, error) { return 0, test.err })
		if test.replaced != a.Degraded() || (err == nil) != test.replaced || !errors.Is(a.Cause, test.err) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	a, err := f.Do(t.Context(), "k", func(context.Context) (int, error) { return 1, nil })
	if err != nil || a.Value != 1 || a.Degraded() || a.Cause != nil {
		t.Errorf("an answer: %+v, %v", a, err)
	}
}

func TestTheEntriesAreBounded(t *testing.T) {
	f := &resilience.Fallback[int]{LastGood: time.Hour, Entries: 3}
	for i := range 3 {
		f.Keep(epoch, fmt.Sprint(i), i)
	}
	_, _ = f.Instead(t.Context(), epoch, "0", errDown) // used, so it stays
	f.Keep(epoch, "2", 22)
	f.Keep(epoch, "3", 3)
	for key, want := range map[string]int{"0": 0, "2": 22, "3": 3} {
		if a, err := f.Instead(t.Context(), epoch, key, errDown); err != nil || a.Value != want {
			t.Errorf("%s: %+v, %v", key, a, err)
		}
	}
	if _, err := f.Instead(t.Context(), epoch, "1", errDown); err == nil || f.Stats().Kept != 3 {
		t.Errorf("the one longest unused is still there: %+v", f.Stats())
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 300 {
				f.Keep(epoch, fmt.Sprint(j%7), i)
				_, _ = f.Instead(t.Context(), epoch, fmt.Sprint(j%5), errDown)
			}
		})
	}
	all.Wait()
	if f.Stats().Kept > 3 {
		t.Errorf("%d are kept", f.Stats().Kept)
	}
}

func TestAFallbackKeepsABoundedNumberOfBytes(t *testing.T) {
	f := &resilience.Fallback[string]{LastGood: time.Hour, Bytes: 100, Size: func(s string) int { return len(s) }}
	rest := strings.Repeat("x", 38)
	for _, key := range []string{"a", "b", "a"} { // 39 bytes each; a is told again
		f.Keep(epoch, key, key+rest[1:])
	}
	f.Keep(epoch, "c", "c"+rest[1:])
	if s := f.Stats(); s.Kept != 2 || s.Bytes != 78 {
		t.Errorf("%+v", s)
	}
	for key, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, err := f.Instead(t.Context(), epoch, key, errDown); (err == nil) != want {
			t.Errorf("%s: %v", key, err)
		}
	}
	f.Keep(epoch, "huge", strings.Repeat("x", 100))
	if s := f.Stats(); s.Kept != 0 || s.Bytes != 0 {
		t.Errorf("one that is too large: %+v", s)
	}
}
