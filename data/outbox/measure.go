package outbox

import (
	"context"

	"go.opentelemetry.io/otel/metric"
)

// measure exports how much of the log is not read yet: what nobody reads the database keeps.
func (r *running) measure() (end func(), err error) {
	if r.Meters == nil {
		return func() {}, nil
	}
	meter := r.Meters.Meter("github.com/musterdev/muster/data/outbox")
	behind, err := meter.Int64ObservableGauge("muster.outbox.log.behind", metric.WithUnit("By"),
		metric.WithDescription("Bytes of the database's log that the outbox's relay has not read yet, and that the database keeps for it"))
	if err != nil {
		return nil, err
	}
	lost, err := meter.Int64ObservableGauge("muster.outbox.log.lost",
		metric.WithDescription("1: a part of the database's log cannot be read any more, and nothing is published until a person takes that as it is"))
	if err != nil {
		return nil, err
	}
	registration, err := meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		l, err := logOf(ctx, r.DB)
		if err != nil || l == nil {
			return err
		}
		o.ObserveInt64(behind, l.Bytes)
		n := int64(0)
		if l.Lost != "" {
			n = 1
		}
		o.ObserveInt64(lost, n)
		return nil
	}, behind, lost)
	if err != nil {
		return nil, err
	}
	return func() { _ = registration.Unregister() }, nil // it never fails
}
