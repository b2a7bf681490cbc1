package store_test

import (
	"context"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
	"github.com/musterdev/muster/platform/telemetry/store/storetest"
)

func TestSuite(t *testing.T) {
	for name, cfg := range map[string]store.Config{
		"in memory": {}, "in small blocks": {BlockRows: 100, HeadBytes: 1 << 10}, "in pages": {BlockRows: 1 << 16, HeadBytes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, dir string) (signal.Store, func()) {
				s, err := store.Open(dir, store.Unsynced(cfg))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = s.Close() })
				return s, func() { _ = s.Close() }
			})
		})
	}
}

func TestSuiteSealed(t *testing.T) {
	storetest.Run(t, func(t *testing.T, dir string) (signal.Store, func()) {
		s, err := store.Open(dir, store.Unsynced(store.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return sealing{s}, func() { _ = s.Close() }
	})
}

// sealing has everything in blocks.
type sealing struct{ *store.Store }

func (s sealing) Append(ctx context.Context, b signal.Batch) error {
	if err := s.Store.Append(ctx, b); err != nil {
		return err
	}
	return s.Flush(ctx)
}
