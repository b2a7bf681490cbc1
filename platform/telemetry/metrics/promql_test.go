//go:build !race

package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/musterdev/muster/platform/telemetry/metrics"
)

// asStorage is a DB that a script fills and asks: read through the DB, written past its limits.
type asStorage struct {
	*tsdb.DB

	db *metrics.DB
}

func (s asStorage) Querier(from, until int64) (storage.Querier, error) {
	return s.db.Querier(from, until)
}
func (s asStorage) Close() error { return s.db.Close() }

// scripts runs the scripts but for those of a feature that is off here.
type scripts struct{ *testing.T }

func (t scripts) Run(name string, f func(*testing.T)) bool {
	return t.T.Run(name, func(t *testing.T) {
		if strings.Contains(name, "start_timestamps") {
			t.Skip("times of start are not stored")
		}
		f(t)
	})
}

// TestPrometheusOwnScripts runs the scripts that Prometheus is tested with; one after the
// other, so that the race detector would only make them slow.
func TestPrometheusOwnScripts(t *testing.T) {
	engine := promqltest.NewTestEngine(t, false, 0, 10_000)
	promqltest.RunBuiltinTestsWithStorage(scripts{t}, engine, func(t testing.TB) storage.Storage {
		db, err := metrics.Open(t.TempDir(), metrics.Config{OutOfOrder: 10_000 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return asStorage{metrics.TSDB(db), db}
	})
}
