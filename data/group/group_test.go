package group_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/data/group"
)

// commitTime is how long the table of the tests takes to commit.
const commitTime = time.Millisecond

// table is what lanes write to: a set of numbers.
type table struct {
	mu     sync.Mutex
	rows   map[int]int // how often each was committed
	groups [][]int     // in order, those that failed too
	under  int
	fail   func(ctx context.Context, items []int) ([]error, error)
}

func (b *table) lane(most int) *group.Lane[int] {
	b.rows = map[int]int{}
	return &group.Lane[int]{Most: most, Flush: b.flush}
}

func (b *table) flush(ctx context.Context, items []int) (errs []error, err error) {
	b.mu.Lock()
	if b.under++; b.under > 1 {
		err = errors.New("two flushes at a time")
	}
	b.groups = append(b.groups, slices.Clone(items))
	b.mu.Unlock()
	if b.fail != nil {
		errs, err = b.fail(ctx, items)
	}
	select {
	case <-time.After(commitTime):
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.under--
	if err != nil {
		return nil, err
	}
	for i, n := range items {
		if errs == nil || errs[i] == nil {
			b.rows[n]++
		}
	}
	return errs, nil
}

func (b *table) sizes() (sizes []int) {
	for _, g := range b.groups {
		sizes = append(sizes, len(g))
	}
	return sizes
}

// all has so many do something at the same moment and returns what became of each.
func all(n int, do func(i int) error) []error {
	errs := make([]error, n)
	var working sync.WaitGroup
	for i := range n {
		working.Go(func() { errs[i] = do(i) })
	}
	working.Wait()
	return errs
}

// Who is alone does not wait; who comes meanwhile shares the next flush; and a crowd takes
// the time of two flushes, not of a hundred.
func TestAloneAtOnceTogetherInOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b table
		l := b.lane(0)
		for i := range 3 {
			began := time.Now()
			if err := l.Do(t.Context(), -i); err != nil || time.Since(began) != commitTime {
				t.Errorf("alone: %v after %s", err, time.Since(began))
			}
		}
		began := time.Now()
		if err := errors.Join(all(100, func(i int) error { return l.Do(t.Context(), i) })...); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 2*commitTime || len(b.rows) != 102 || !slices.Equal(b.sizes(), []int{1, 1, 1, 1, 99}) {
			t.Errorf("after %s: %d rows in %v", took, len(b.rows), b.sizes())
		}
	})
}

func TestMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b table
		l := b.lane(10)
		if err := errors.Join(all(25, func(i int) error { return l.Do(t.Context(), i) })...); err != nil || !slices.Equal(b.sizes(), []int{1, 10, 10, 4}) {
			t.Error(err, b.sizes())
		}
	})
}

// code is an error with an SQLSTATE.
type code string

func (c code) Error() string    { return "state " + string(c) }
func (c code) SQLState() string { return string(c) }

// What is one item's doing fails that one; what concerns all fails all, without trying
// each.
func TestErrorsOfOneAndOfAll(t *testing.T) {
	lost := errors.New("the connection is lost")
	tests := []struct {
		name  string
		fail  func(items []int) ([]error, error)
		wrong func(i int) bool // who gets an error
		most  int              // flushes
	}{
		{"an item's own", func(items []int) (errs []error, err error) {
			for _, n := range items {
				errs = append(errs, map[bool]error{true: errors.New("stale")}[n%7 == 0])
			}
			return errs, nil
		}, func(i int) bool { return i%7 == 0 }, 2},
		{"a row that cannot be", func(items []int) ([]error, error) {
			if slices.Contains(items, 13) {
				return nil, fmt.Errorf("muster: %w", code("22021"))
			}
			return nil, nil
		}, func(i int) bool { return i == 13 }, 2 + 2*7},
		{"the connection", func(items []int) ([]error, error) {
			if len(items) > 1 {
				return nil, lost
			}
			return nil, nil
		}, func(i int) bool { return i != 0 }, 2},
		{"the table is missing", func(items []int) ([]error, error) {
			if len(items) > 1 {
				return nil, code("42P01")
			}
			return nil, nil
		}, func(i int) bool { return i != 0 }, 2},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := table{fail: func(_ context.Context, items []int) ([]error, error) { return tc.fail(items) }}
				l := b.lane(0)
				errs := all(100, func(i int) error {
					if i != 0 { // the first is alone
						time.Sleep(commitTime / 2)
					}
					return l.Do(t.Context(), i)
				})
				for i, err := range errs {
					if (err != nil) != tc.wrong(i) || b.rows[i] != map[bool]int{false: 1}[err != nil] {
						t.Errorf("%d: %v, committed %d times", i, err, b.rows[i])
					}
				}
				if len(b.groups) > tc.most {
					t.Errorf("%d flushes: %v", len(b.groups), b.sizes())
				}
			})
		})
	}
}

// One that gives up does not take the others' flush with it. Queued, it is not written; and
// a flush for which nobody waits any more is ended.
func TestOneThatGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b table
		l := b.lane(0)
		impatient := func(after time.Duration) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			t.Cleanup(cancel)
			return ctx
		}
		errs := all(4, func(i int) error {
			time.Sleep(time.Duration(i)) // in this order
			return l.Do([]context.Context{
				t.Context(), t.Context(),
				impatient(commitTime / 2),     // while it is queued
				impatient(commitTime * 3 / 2), // while it is on its way
			}[i], i)
		})
		if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], context.DeadlineExceeded) || !errors.Is(errs[3], context.DeadlineExceeded) {
			t.Error(errs)
		}
		if b.rows[0] != 1 || b.rows[1] != 1 || b.rows[2] != 0 || b.rows[3] != 1 || !slices.Equal(b.sizes(), []int{1, 2}) {
			t.Errorf("%v in %v", b.rows, b.groups)
		}
		errs = all(3, func(i int) error {
			time.Sleep(time.Duration(i))
			return l.Do([]context.Context{t.Context(), impatient(commitTime * 3 / 2), impatient(commitTime * 3 / 2)}[i], 10+i)
		})
		synctest.Wait()
		if errs[0] != nil || errs[1] == nil || errs[2] == nil || b.rows[11]+b.rows[12] != 0 {
			t.Errorf("%v: %v", errs, b.rows)
		}
		if err := l.Do(impatient(0), 20); !errors.Is(err, context.DeadlineExceeded) || b.rows[20] != 0 {
			t.Errorf("too late: %v", err)
		}
		if err := l.Do(t.Context(), 21); err != nil || b.rows[21] != 1 {
			t.Errorf("the lane is not free: %v", err)
		}
	})
}

// A flush that panics alone does so before its caller; in a group it is an error. In
// either case the lane goes on.
func TestAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := table{fail: func(_ context.Context, items []int) ([]error, error) {
			if slices.Contains(items, 7) {
				panic("seven")
			}
			return nil, nil
		}}
		l := b.lane(0)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_ = l.Do(t.Context(), 7)
		}()
		b.under = 0
		errs := all(3, func(i int) error {
			time.Sleep(time.Duration(i))
			return l.Do(t.Context(), 6+i)
		})
		if errs[0] != nil || errs[1] == nil || errs[2] == nil {
			t.Error(errs)
		}
		b.under = 0
		if err := l.Do(t.Context(), 1); err != nil {
			t.Error(err)
		}
	})
}

// Many at random times, some of whom give up, over a table that fails now and then: what
// was told is what is there.
func TestWhatIsToldIsWhatIsThere(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			const n = 60
			delay, patience, bad := make([]time.Duration, n), make([]time.Duration, n), map[int]bool{}
			for i := range n {
				delay[i], patience[i] = time.Duration(dice.IntN(int(5*commitTime))), time.Duration(1+dice.IntN(int(8*commitTime)))
				bad[i] = dice.IntN(10) == 0
			}
			away := dice.IntN(5)
			flushes := 0
			b := table{fail: func(_ context.Context, items []int) (errs []error, err error) {
				if flushes++; flushes%7 == away {
					return nil, errors.New("the database is away")
				}
				for _, i := range items {
					if bad[i] {
						return nil, code("23514")
					}
				}
				return nil, nil
			}}
			l := b.lane(8)
			errs := all(n, func(i int) error {
				time.Sleep(delay[i])
				ctx, cancel := context.WithTimeout(t.Context(), patience[i])
				defer cancel()
				return l.Do(ctx, i)
			})
			synctest.Wait()
			for i, err := range errs {
				switch {
				case err == nil && b.rows[i] != 1, b.rows[i] > 1, bad[i] && b.rows[i] > 0:
					t.Errorf("seed %d, %d: told %v, committed %d times", seed, i, err, b.rows[i])
				case err != nil && !errors.Is(err, context.DeadlineExceeded) && b.rows[i] != 0:
					t.Errorf("seed %d, %d: told %v, and it is there", seed, i, err)
				}
			}
		})
	}
}

func ExampleLane() {
	stored := map[string]bool{}
	lane := group.Lane[string]{Flush: func(_ context.Context, names []string) ([]error, error) {
		// INSERT ... SELECT ... FROM unnest($1): one statement for all that came together
		errs := make([]error, len(names))
		for i, name := range names {
			if stored[name] {
				errs[i] = errors.New("it is there already")
			}
			stored[name] = true
		}
		return errs, nil
	}}
	fmt.Println(lane.Do(context.Background(), "ann"))
	fmt.Println(lane.Do(context.Background(), "ann"))
	// Output:
	// <nil>
	// it is there already
}

func TestColumnsAreArraysOfPostgreSQL(t *testing.T) {
	c := group.NewColumns(3, 1)
	c.Row().Text(`a"b\c`).Number(-5).Bytes([]byte{0, 255})
	c.Row().Text("").Number(7).Bytes(nil)
	c.Row().Text("ü, {x}").Number(0).Bytes([]byte("y"))
	want := []any{`{"a\"b\\c","","ü, {x}"}`, `{-5,7,0}`, `{"\\x00ff","\\x","\\x79"}`}
	if got := c.Args(); !slices.Equal(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := group.NewColumns(1, 0).Args(); got[0] != "{}" {
		t.Errorf("no rows: %v", got)
	}
}
