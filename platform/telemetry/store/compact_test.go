package store_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// Blocks that are small on the disk and large in memory become one only as far as memory
// goes, and none of their rows is lost or there twice.
func TestSmallBlocksOfLargeRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir, store.Unsynced(store.Config{}))
		text := signal.StringValue(strings.Repeat("x", 6<<20))
		const blocks = 8
		for i := range blocks {
			keep(t, s, signal.Batch{Logs: []signal.Log{{
				Service: "orders", Time: time.Now().UnixNano() + int64(i), Attributes: signal.Attributes{{Key: "text", Value: text}},
			}}})
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(files(t, filepath.Join(dir, "blocks"), ".blk")); n != blocks {
			t.Fatalf("%d blocks, want %d", n, blocks)
		}
		stop := running(t, s)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(files(t, filepath.Join(dir, "blocks"), ".blk")); n != 3 { // six of them are more than 32 MiB
			t.Errorf("%d blocks, want 3", n)
		}
		n := 0
		for l, err := range s.Logs(t.Context(), signal.LogQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; len(l.Attributes.Text("text")) != 6<<20 {
				t.Error("a record is not whole")
			}
		}
		if n != blocks {
			t.Errorf("%d records, want %d", n, blocks)
		}
		stop()
	})
}
