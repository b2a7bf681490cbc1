package observe_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"runtime"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/musterdev/muster/observe"
)

// connects is a driver whose connections do nothing.
type connects struct{}

func (connects) Connect(context.Context) (driver.Conn, error) { return connects{}, nil }
func (connects) Driver() driver.Driver                        { return nil }
func (connects) Prepare(string) (driver.Stmt, error)          { return nil, errors.New("not prepared") }
func (connects) Close() error                                 { return nil }
func (connects) Begin() (driver.Tx, error)                    { return nil, errors.New("not begun") }

func TestWatchPool(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	telemetry := &observe.Telemetry{Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}
	db := sql.OpenDB(connects{})
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	if err := telemetry.WatchPool("orders", db); err != nil {
		t.Fatal(err)
	}
	see := func() map[string]float64 {
		t.Helper()
		var all metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &all); err != nil {
			t.Fatal(err)
		}
		values := map[string]float64{}
		for _, m := range all.ScopeMetrics[0].Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					state, _ := p.Attributes.Value("db.client.connection.state")
					if pool, _ := p.Attributes.Value("db.client.connection.pool.name"); pool.AsString() != "orders" {
						t.Errorf("%s is of the pool %q", m.Name, pool.AsString())
					}
					values[m.Name+state.AsString()] = float64(p.Value)
				}
			case metricdata.Sum[float64]:
				values[m.Name] = data.DataPoints[0].Value
			}
		}
		return values
	}
	held, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v := see(); v["db.client.connection.countused"] != 1 || v["db.client.connection.countidle"] != 0 || v["db.client.connection.max"] != 1 || v["db.client.connection.waits"] != 0 {
		t.Errorf("while it is held: %v", v)
	}
	got := make(chan error)
	go func() {
		c, err := db.Conn(t.Context())
		if err == nil {
			err = c.Close()
		}
		got <- err
	}()
	for see()["db.client.connection.waits"] == 0 {
		runtime.Gosched() // until it waits
	}
	if err := errors.Join(held.Close(), <-got); err != nil {
		t.Fatal(err)
	}
	if v := see(); v["db.client.connection.countused"] != 0 || v["db.client.connection.countidle"] != 1 || v["db.client.connection.waits"] != 1 || v["db.client.connection.waited"] <= 0 {
		t.Errorf("afterwards: %v", v)
	}
}
