package observe

import (
	"context"
	"database/sql"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// WatchPool has a meter tell how the connections of a database's pool are used and how it
// is waited for them (OpenTelemetry's semantic conventions for database client
// connections; the two of waiting are counted by database/sql and are Muster's own). name
// tells pools of one process apart.
func (t *Telemetry) WatchPool(name string, db *sql.DB) error {
	m := t.Meters.Meter(scope)
	count, err1 := m.Int64ObservableUpDownCounter("db.client.connection.count", metric.WithUnit("{connection}"), metric.WithDescription("Connections that are open, by state."))
	most, err2 := m.Int64ObservableUpDownCounter("db.client.connection.max", metric.WithUnit("{connection}"), metric.WithDescription("The most connections that may be open; 0: no bound."))
	waits, err3 := m.Int64ObservableCounter("db.client.connection.waits", metric.WithUnit("{wait}"), metric.WithDescription("Times that all connections were in use and one was waited for."))
	waited, err4 := m.Float64ObservableCounter("db.client.connection.waited", metric.WithUnit("s"), metric.WithDescription("Time spent waiting for a connection."))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	of := attribute.String("db.client.connection.pool.name", name)
	with := func(more ...attribute.KeyValue) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(append(more, of)...))
	}
	pool, used, idle := with(), with(attribute.String("db.client.connection.state", "used")), with(attribute.String("db.client.connection.state", "idle"))
	_, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := db.Stats()
		o.ObserveInt64(count, int64(s.InUse), used)
		o.ObserveInt64(count, int64(s.Idle), idle)
		o.ObserveInt64(most, int64(s.MaxOpenConnections), pool)
		o.ObserveInt64(waits, s.WaitCount, pool)
		o.ObserveFloat64(waited, s.WaitDuration.Seconds(), pool)
		return nil
	}, count, most, waits, waited)
	return err
}
