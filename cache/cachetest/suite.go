package cachetest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/cache"
)

// Target is a shared cache that is put to the test.
type Target struct {
	// Open returns a connection of its own to the cache under test, as another process
	// would have it. It is closed by the driver's test.
	Open func(t *testing.T) cache.Shared
	// Stop ends the server, and Start starts it again at the same place, empty or not; nil:
	// there is none to stop. Stop may have been called before.
	Stop, Start func(t *testing.T)
}

// patience bounds what is waited for on a machine under load.
const patience = 20 * time.Second

// Run runs the whole suite.
func Run(t *testing.T, target Target) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s cache.Shared)
	}{
		{"what is not there is missing", missing},
		{"a change needs what it replaces", conditions},
		{"what was deleted is not changed", deleted},
		{"values expire", expire},
		{"any key", anyKey},
		{"any value", anyValue},
		{"many at once", many},
		{"the end of the context", ended},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, target.Open(t)) })
	}
	t.Run("one of many adds", func(t *testing.T) { race(t, target, nil) })
	t.Run("one of many replaces", func(t *testing.T) { race(t, target, []byte("old")) })
	t.Run("of many processes one loads", func(t *testing.T) { stampede(t, target) })
	t.Run("a drop takes the lease away", func(t *testing.T) { dropped(t, target) })
	t.Run("a process drops for all", func(t *testing.T) { followed(t, target) })
	t.Run("who died is followed", func(t *testing.T) { died(t, target) })
	if target.Stop != nil {
		t.Run("away and back", func(t *testing.T) { away(t, target) })
	}
}

// key returns a key that no other test uses.
func key(t *testing.T, name string) string { return t.Name() + "/" + name }

func set(t *testing.T, s cache.Shared, c cache.Change) bool {
	t.Helper()
	if c.TTL == 0 {
		c.TTL = time.Minute
	}
	done, err := s.Set(t.Context(), []cache.Change{c})
	if err != nil || len(done) != 1 {
		t.Fatalf("Set: %v, %v", done, err)
	}
	return done[0]
}

func get(t *testing.T, s cache.Shared, key string) string {
	t.Helper()
	held, err := s.Get(t.Context(), []string{key})
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return string(held[key])
}

func missing(t *testing.T, s cache.Shared) {
	held, err := s.Get(t.Context(), []string{key(t, "a"), key(t, "b")})
	if err != nil || len(held) != 0 {
		t.Errorf("of two keys nobody wrote there are %q, %v", held, err)
	}
	if err := s.Delete(t.Context(), []string{key(t, "a")}); err != nil {
		t.Errorf("deleting what is not there: %v", err)
	}
	if set(t, s, cache.Change{Key: key(t, "a"), Old: []byte("old"), New: []byte("new")}) {
		t.Error("what is not there was replaced")
	}
}

func conditions(t *testing.T, s cache.Shared) {
	k := key(t, "k")
	for _, c := range []struct {
		old, value string
		want       bool
		held       string
	}{
		{"", "1", true, "1"},
		{"", "2", false, "1"},
		{"2", "3", false, "1"},
		{"1", "4", true, "4"},
		{"1", "5", false, "4"},
		{"4 ", "6", false, "4"},
		{"4", "4", true, "4"},
	} {
		change := cache.Change{Key: k, New: []byte(c.value)}
		if c.old != "" {
			change.Old = []byte(c.old)
		}
		if done := set(t, s, change); done != c.want || get(t, s, k) != c.held {
			t.Errorf("%q in the place of %q: %v, and %q is held; want %v, %q", c.value, c.old, done, get(t, s, k), c.want, c.held)
		}
	}
}

func deleted(t *testing.T, s cache.Shared) {
	k := key(t, "k")
	set(t, s, cache.Change{Key: k, New: []byte("lease")})
	if err := s.Delete(t.Context(), []string{k, key(t, "other")}); err != nil {
		t.Fatal(err)
	}
	if set(t, s, cache.Change{Key: k, Old: []byte("lease"), New: []byte("late")}) || get(t, s, k) != "" {
		t.Errorf("%q is held after the key was deleted", get(t, s, k))
	}
	if !set(t, s, cache.Change{Key: k, New: []byte("new")}) {
		t.Error("a key that was deleted cannot be added")
	}
}

func expire(t *testing.T, s cache.Shared) {
	short, long := key(t, "short"), key(t, "long")
	set(t, s, cache.Change{Key: short, New: []byte("x"), TTL: 50 * time.Millisecond})
	set(t, s, cache.Change{Key: long, New: []byte("lease"), TTL: time.Second})
	set(t, s, cache.Change{Key: long, Old: []byte("lease"), New: []byte("x"), TTL: time.Hour})
	soon(t, "the short one expires", func() bool { return get(t, s, short) == "" })
	if !set(t, s, cache.Change{Key: short, New: []byte("again")}) {
		t.Error("a key that expired cannot be added")
	}
	if get(t, s, long) != "x" {
		t.Error("the long one expired")
	}
}

func anyKey(t *testing.T, s cache.Shared) {
	for _, k := range []string{"with space", "new\r\nline", "über", strings.Repeat("long", 200), strings.Repeat("long", 200) + "!", "\x00", "a:b", "*", ""} {
		k = key(t, k)
		if !set(t, s, cache.Change{Key: k, New: []byte("v" + k)}) || get(t, s, k) != "v"+k {
			t.Errorf("the key %.40q holds %.40q", k, get(t, s, k))
		}
		if err := s.Delete(t.Context(), []string{k}); err != nil || get(t, s, k) != "" {
			t.Errorf("the key %.40q was not deleted: %v", k, err)
		}
	}
}

func anyValue(t *testing.T, s cache.Shared) {
	for i, v := range [][]byte{{0}, []byte("\r\nEND\r\n"), {0xff, 0xfe, 0}, bytes.Repeat([]byte{1, 2, 3, 0}, cache.MaxShared/4)} {
		k := key(t, fmt.Sprint(i))
		if !set(t, s, cache.Change{Key: k, New: v}) || get(t, s, k) != string(v) {
			t.Errorf("a value of %d bytes came back with %d", len(v), len(get(t, s, k)))
		}
		if !set(t, s, cache.Change{Key: k, Old: v, New: []byte("x")}) {
			t.Errorf("a value of %d bytes cannot be replaced", len(v))
		}
	}
}

func many(t *testing.T, s cache.Shared) {
	const n = 300
	keys := make([]string, n)
	changes := make([]cache.Change, n)
	for i := range n {
		keys[i] = key(t, fmt.Sprint(i))
		changes[i] = cache.Change{Key: keys[i], New: fmt.Append(nil, i), TTL: time.Minute}
	}
	set(t, s, cache.Change{Key: keys[7], New: []byte("there")})
	done, err := s.Set(t.Context(), changes)
	if err != nil || len(done) != n {
		t.Fatalf("%d of %d changes, %v", len(done), n, err)
	}
	held, err := s.Get(t.Context(), keys)
	if err != nil || len(held) != n {
		t.Fatalf("%d of %d keys, %v", len(held), n, err)
	}
	for i, k := range keys {
		want := fmt.Sprint(i)
		if i == 7 {
			want = "there"
		}
		if string(held[k]) != want || done[i] != (i != 7) {
			t.Errorf("key %d holds %q and was changed: %v", i, held[k], done[i])
		}
	}
	if err := s.Delete(t.Context(), keys); err != nil {
		t.Fatal(err)
	}
	if held, err := s.Get(t.Context(), keys); err != nil || len(held) != 0 {
		t.Errorf("%d keys are left, %v", len(held), err)
	}
}

func ended(t *testing.T, s cache.Shared) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	keys := []string{key(t, "k")}
	if _, err := s.Get(ctx, keys); err == nil {
		t.Error("Get works after the end of its context")
	}
	if _, err := s.Set(ctx, []cache.Change{{Key: keys[0], New: []byte("x"), TTL: time.Minute}}); err == nil {
		t.Error("Set works after the end of its context")
	}
	if err := s.Delete(ctx, keys); err == nil {
		t.Error("Delete works after the end of its context")
	}
}

// race has several connections make one change at the same time, many times.
func race(t *testing.T, target Target, old []byte) {
	const members = 4
	shared := make([]cache.Shared, members)
	for i := range shared {
		shared[i] = target.Open(t)
	}
	for round := range 50 {
		k := key(t, fmt.Sprint(round))
		if old != nil {
			set(t, shared[0], cache.Change{Key: k, New: old})
		}
		var won atomic.Int32
		var all sync.WaitGroup
		for i, s := range shared {
			all.Go(func() {
				done, err := s.Set(t.Context(), []cache.Change{{Key: k, Old: old, New: fmt.Append(nil, i), TTL: time.Minute}})
				if err != nil {
					t.Error(err)
				} else if done[0] {
					won.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d changes were carried out", round, won.Load())
		}
	}
}

func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %s it is not so that %s", patience, what)
		}
	}
}
