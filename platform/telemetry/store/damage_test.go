package store_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// files returns the names of the files of a folder that end so, in their order.
func files(t *testing.T, dir, suffix string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func open(t *testing.T, dir string, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// found counts the spans and checks that each is as it was appended.
func found(t *testing.T, s *store.Store, of map[signal.SpanID]string) (n int) {
	t.Helper()
	for sp, err := range s.Spans(t.Context(), signal.SpanQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		if want := of[sp.ID]; fmt.Sprintf("%+v", *sp) != want {
			t.Fatalf("found %+v\nwant %s", *sp, want)
		}
		n++
	}
	return n
}

// Whatever happens to a file, the store opens, returns nothing that is wrong, loses no more
// than what was damaged, and says so.
func TestDamage(t *testing.T) {
	const batches, rows = 12, 50
	rnd := rand.New(rand.NewPCG(3, 4))
	tr := newTraffic()
	of := map[signal.SpanID]string{}
	var all []signal.Span
	for len(all) < batches*rows {
		all = tr.traces(all, rows/10)
	}
	for i := range all {
		all[i].Service = "orders"
		of[all[i].ID] = fmt.Sprintf("%+v", all[i])
	}
	for round := range 60 {
		dir := t.TempDir()
		sealed := round%2 == 0
		s := open(t, dir, store.Config{BlockRows: 150})
		for n := range batches {
			keep(t, s, signal.Batch{Spans: all[n*rows : (n+1)*rows]})
		}
		victims := files(t, filepath.Join(dir, "wal"), ".wal")
		if sealed {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			victims = files(t, filepath.Join(dir, "blocks"), ".blk")
		}
		_ = s.Close()
		if sealed { // what is in the log, too, would be read from there only while no block tells it is not needed
			for _, w := range files(t, filepath.Join(dir, "wal"), ".wal") {
				_ = os.Remove(w)
			}
		}
		how := hurt(t, rnd, victims[rnd.IntN(len(victims))])
		s = open(t, dir, store.Config{})
		n := found(t, s, of)
		again := found(t, s, of)
		d := s.Damage()
		_ = s.Close()
		if n != again && d.Blocks == 0 || n < again {
			t.Fatalf("%s: found %d, then %d", how, n, again)
		}
		lost := len(all) - n
		if lost > 0 && d.Blocks+d.Records == 0 && !strings.HasPrefix(how, "cut") {
			t.Fatalf("%s: %d spans are lost and nothing is said: %+v", how, lost, d)
		}
		if sealed && lost > 150 || !sealed && strings.HasPrefix(how, "flip") && lost > rows {
			t.Fatalf("%s: %d spans are lost: %+v", how, lost, d)
		}
	}
}

// hurt flips a bit of a file, cuts it, or overwrites a part with zeros.
func hurt(t *testing.T, rnd *rand.Rand, path string) (how string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := rnd.IntN(len(b))
	switch rnd.IntN(4) {
	case 0:
		how, b = "cut", b[:at]
	case 1:
		how = "zeros"
		clear(b[at:min(at+4096, len(b))])
	default:
		how = "flip"
		b[at] ^= 1 << rnd.IntN(8)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s at %d of %d bytes of %s", how, at, len(b), filepath.Base(path))
}

func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, store.Config{})
	keep(t, s, signal.Batch{Spans: newTraffic().traces(nil, 10)})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	blocks := filepath.Join(dir, "blocks")
	tmp := filepath.Join(blocks, "0000000000ff.blk.tmp")
	if err := os.WriteFile(tmp, []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(blocks, "0000000000fe.blk"), bytes.Repeat([]byte("x"), 100), 0o644); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, store.Config{})
	if got := len(files(t, blocks, ".tmp")); got > 0 {
		t.Errorf("%d half-written files are left", got)
	}
	if got := files(t, blocks, ".corrupt"); len(got) != 1 || s.Damage().Blocks != 1 {
		t.Errorf("set aside: %v, %+v", got, s.Damage())
	}
	if n := len(slices.Collect(keys(s, t))); n != 100 {
		t.Errorf("%d spans are left of 100", n)
	}
}

func keys(s *store.Store, t *testing.T) func(func(signal.SpanID) bool) {
	return func(yield func(signal.SpanID) bool) {
		for sp, err := range s.Spans(t.Context(), signal.SpanQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			if !yield(sp.ID) {
				return
			}
		}
	}
}

func keep(t *testing.T, s signal.Store, b signal.Batch) {
	t.Helper()
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, store.Config{})
	_, err := store.Open(dir, store.Config{})
	if want := fmt.Sprintf("in use by process %d", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v, want %q and the folder in it", err, want)
	}
}
