package gateway_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway"
)

// Without a file for what the admin API is told, a take-over counts as any start does: the
// table of the edge's own file, a bad one is refused, and that of the edge before where
// there is none.
func TestSuccessionTable(t *testing.T) {
	reg, _ := stage(t)
	dir := t.TempDir()
	cfg := gateway.Config{
		Listen: "127.0.0.1:0", Resolver: reg, Admin: filepath.Join(dir, "s"), TakeOver: filepath.Join(dir, "s"),
		EndWithin: 50 * time.Millisecond, Table: table(t, `{"routes":[{"path":"/one","service":"a"}]}`),
	}
	addr := follow(t, cfg).addr.String()
	for _, step := range []struct {
		doc  string // "": none
		path string // what is served then
	}{
		{`{"routes":[{"path":"/two","service":"a"}]}`, "/two"},
		{"", "/two"},
		{`{"routes":[{"path":"/three","service":"a"}]}`, "/three"},
	} {
		cfg.Table = nil
		if step.doc != "" {
			cfg.Table = table(t, step.doc)
		}
		follow(t, cfg)
		eventually(t, "the new table at "+step.path, func() bool {
			for _, path := range []string{"/one", "/two", "/three"} {
				want := http.StatusNotFound
				if path == step.path {
					want = http.StatusOK
				}
				if status, _ := get(t, "http://"+addr+path); status != want {
					return false
				}
			}
			return true
		})
	}
	cfg.Table = table(t, `{"routes":[{"path":"/","service":"a","filters":["nobody"]}]}`)
	if err := gateway.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a table that names a filter nobody has: %v", err)
	}
}
