package quota_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// Whatever is in the file, the filter begins, and no count is more than what may be counted.
func FuzzFile(f *testing.F) {
	f.Add([]byte("{\"rule\":\"quota\",\"key\":\"NMAAAgE=\",\"window\":946684800,\"count\":7}\n"))
	f.Add([]byte("x\n{"))
	path := filepath.Join(f.TempDir(), "counts")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		made := build(t, filter.Env{}, fmt.Sprintf(`{"count":5,"per":"month","file":%q}`, path))
		if n := passes(t, made, "", 10); n > 5 {
			t.Errorf("%d pass", n)
		}
		end(made)
	})
}

func BenchmarkQuota(b *testing.B) {
	f := build(b, filter.Env{}, `{"count":1000000000000,"per":"day"}`)
	r := &filter.Request{Client: netip.MustParseAddr("192.0.2.1"), Began: time.Now()}
	b.ReportAllocs()
	for b.Loop() {
		_ = f.Request(b.Context(), r)
	}
}
