package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// running runs the store in the bubble's time until the returned function is called.
func running(t *testing.T, s *store.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		_ = s.Close()
	}
}

// noise returns n spans of a service that begin now and cannot be compressed.
func noise(rnd *rand.Rand, service string, n int) (b signal.Batch) {
	for range n {
		s := signal.Span{Service: service, Name: "work", Start: time.Now().UnixNano()}
		for i := range s.Trace {
			s.Trace[i] = byte(rnd.Uint32())
		}
		copy(s.ID[:], s.Trace[:])
		b.Spans = append(b.Spans, s)
	}
	b.Logs = append(b.Logs, signal.Log{Service: service, Time: time.Now().UnixNano()})
	return b
}

func usage(s *store.Store) map[string]signal.Usage {
	m := map[string]signal.Usage{}
	for _, u := range s.Usage() {
		m[u.Service] = u
	}
	return m
}

func TestRetentionByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, rnd := t.TempDir(), rand.New(rand.NewPCG(1, 1))
		s := open(t, dir, store.Config{Retention: store.Limit{Age: 24 * time.Hour}, Services: map[string]store.Limit{"audit": {Age: 72 * time.Hour}}})
		defer running(t, s)()
		for range 5 {
			keep(t, s, noise(rnd, "orders", 10))
			keep(t, s, noise(rnd, "audit", 10))
			time.Sleep(12 * time.Hour)
		}
		synctest.Wait()
		u := usage(s)
		if got := u["orders"]; got.Spans != 20 || got.RemovedSpans != 30 || got.Logs != 2 || got.RemovedLogs != 3 {
			t.Errorf("orders after 60 h of a limit of 24: %+v", got)
		}
		if got := u["audit"]; got.Spans != 50 || got.RemovedSpans != 0 {
			t.Errorf("audit after 60 h of a limit of 72: %+v", got)
		}
	})
}

// A chatty service forgets its own past, and nobody else's.
func TestRetentionBySize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, rnd := t.TempDir(), rand.New(rand.NewPCG(1, 1))
		s := open(t, dir, store.Config{BlockRows: 500, Retention: store.Limit{Bytes: 100_000}, Total: 150_000})
		defer running(t, s)()
		keep(t, s, noise(rnd, "quiet", 500))
		for range 20 {
			keep(t, s, noise(rnd, "chatty", 500))
			time.Sleep(2 * time.Minute)
		}
		synctest.Wait()
		u := usage(s)
		if got := u["quiet"]; got.Spans != 500 || got.RemovedSpans != 0 {
			t.Errorf("quiet: %+v", got)
		}
		if got := u["chatty"]; got.Bytes > 100_000 || got.Spans+got.RemovedSpans != 10_000 || got.Spans < 1000 {
			t.Errorf("chatty: %+v", got)
		}
		for i := range 4 {
			keep(t, s, noise(rnd, fmt.Sprintf("other-%d", i), 500))
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		total := int64(0)
		for _, x := range s.Usage() {
			total += x.Bytes
		}
		if got := usage(s)["quiet"]; total > 150_000 || got.Spans != 500 {
			t.Errorf("all: %d bytes, quiet: %+v", total, got)
		}
	})
}

// A service that says a word a minute has few blocks all the same, and all its words.
func TestQuietService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, rnd := t.TempDir(), rand.New(rand.NewPCG(1, 1))
		s := open(t, dir, store.Unsynced(store.Config{}))
		stop := running(t, s)
		for range 200 {
			keep(t, s, noise(rnd, "quiet", 1))
			time.Sleep(2 * time.Minute)
		}
		synctest.Wait()
		if got := usage(s)["quiet"]; got.Spans != 200 || got.Logs != 200 || got.RemovedSpans != 0 {
			t.Errorf("usage: %+v", got)
		}
		if n := len(files(t, filepath.Join(dir, "blocks"), ".blk")); n > 60 {
			t.Errorf("%d blocks for 400 rows", n)
		}
		stop()
		s = open(t, dir, store.Unsynced(store.Config{}))
		if n := 0; len(usage(s)) != 1 || usage(s)["quiet"].Spans != 200 {
			t.Errorf("opened again: %+v %d", usage(s), n)
		}
	})
}

// A query sees what was there when it began, whatever becomes of the blocks meanwhile.
func TestQueryDuringRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, rnd := t.TempDir(), rand.New(rand.NewPCG(1, 1))
		s := open(t, dir, store.Config{Retention: store.Limit{Age: time.Hour}})
		defer running(t, s)()
		for range 20 {
			keep(t, s, noise(rnd, "a", 10))
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, err := range s.Spans(t.Context(), signal.SpanQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 5 {
				time.Sleep(2 * time.Hour)
				synctest.Wait()
				if got := len(spansOf(t, s)); got != 0 {
					t.Errorf("a new query finds %d spans that are kept no longer", got)
				}
			}
		}
		if n != 200 {
			t.Errorf("the query found %d spans of 200", n)
		}
		if left := files(t, filepath.Join(dir, "blocks"), ".blk"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func spansOf(t *testing.T, s *store.Store) (ids []signal.SpanID) {
	t.Helper()
	for id := range keys(s, t) {
		ids = append(ids, id)
	}
	return ids
}

// The log does not grow because one service has said little for long.
func TestLogIsBounded(t *testing.T) {
	dir, rnd := t.TempDir(), rand.New(rand.NewPCG(1, 1))
	s := open(t, dir, store.Unsynced(store.Config{WALBytes: 20 << 20, HeadBytes: 4 << 20}))
	keep(t, s, noise(rnd, "quiet", 1))
	b := noise(rnd, "chatty", 5000)
	for i := range b.Spans {
		b.Spans[i].Attributes = signal.Attributes{{Key: "text", Value: signal.StringValue(fmt.Sprintf("%0500d", i))}}
	}
	for range 30 {
		keep(t, s, b)
	}
	size := int64(0)
	for _, path := range files(t, filepath.Join(dir, "wal"), ".wal") {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if most := int64(64 << 20); size > most {
		t.Errorf("the log has %d bytes, want at most %d", size, most)
	}
	if got := usage(s)["quiet"]; got.Spans != 1 || got.Logs != 1 {
		t.Errorf("quiet: %+v", got)
	}
}
