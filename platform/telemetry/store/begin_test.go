package store_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// A trace is found by the first digits of its id, wherever it lies.
func TestBeginning(t *testing.T) {
	s := open(t, t.TempDir(), store.Unsynced(store.Config{}))
	id := func(n int) (id signal.TraceID) { // 1,000 ids, some of which share their first half
		binary.BigEndian.PutUint64(id[:], uint64(n/3)*0x0123456789abcdef)
		binary.BigEndian.PutUint64(id[8:], uint64(n+1))
		return id
	}
	const all = 1000
	for n := range all {
		keep(t, s, signal.Batch{Spans: []signal.Span{{Trace: id(n), ID: signal.SpanID{1}, Service: []string{"a", "b"}[n%2], Start: int64(n)}}})
		if n == all/2 || n == all*3/4 {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, n := range []int{0, 1, 2, 3, 299, 500, 501, 998, 999} {
		for _, digits := range []int{1, 4, 7, 16, 31, 32} {
			beginning := id(n).String()[:digits]
			var want []signal.TraceID
			for k := range all {
				if id(k).String()[:digits] == beginning {
					want = append(want, id(k))
				}
			}
			got, err := s.Beginning(t.Context(), beginning, all)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortFunc(got, func(a, b signal.TraceID) int { return slices.Compare(a[:], b[:]) })
			slices.SortFunc(want, func(a, b signal.TraceID) int { return slices.Compare(a[:], b[:]) })
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d traces, want %d", beginning, len(got), len(want))
			}
			if few, err := s.Beginning(t.Context(), beginning, 2); err != nil || len(few) != min(2, len(want)) {
				t.Errorf("%s: at most two: %v, %v", beginning, few, err)
			}
		}
	}
	for _, bad := range []string{"", "xyz", id(1).String() + "0"} {
		if _, err := s.Beginning(t.Context(), bad, 2); !errors.Is(err, signal.ErrID) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if got, err := s.Beginning(t.Context(), "f00d", 2); err != nil || len(got) != 0 {
		t.Errorf("one that is not there: %v, %v", got, err)
	}
}
