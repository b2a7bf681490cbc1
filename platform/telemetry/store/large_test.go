//go:build !race

package store_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// A trace without end is not read into memory. The race detector, which is for more than one
// goroutine, would take minutes.
func TestATraceWithoutEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("half a million spans")
	}
	s := open(t, t.TempDir(), store.Unsynced(store.Config{}))
	const batch = 50_000
	for from := 0; from <= signal.MostTrace; from += batch {
		spans := make([]signal.Span, min(batch, signal.MostTrace+1-from))
		for i := range spans {
			spans[i] = signal.Span{Trace: signal.TraceID{1}, Service: "loop", Start: int64(from + i)}
			binary.BigEndian.PutUint64(spans[i].ID[:], uint64(from+i+1))
		}
		if from+len(spans) > signal.MostTrace {
			if list, err := s.Trace(t.Context(), signal.TraceID{1}); err != nil || len(list) != signal.MostTrace {
				t.Errorf("just not too many: %d spans, %v", len(list), err)
			}
		}
		keep(t, s, signal.Batch{Spans: spans})
	}
	if list, err := s.Trace(t.Context(), signal.TraceID{1}); !errors.Is(err, signal.ErrLarge) || list != nil {
		t.Errorf("%d spans, %v", len(list), err)
	}
}
