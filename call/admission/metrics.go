package admission

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/musterdev/muster/call/resilience"
)

// Report has a meter tell how the controller stands: muster.admission.in_flight,
// muster.admission.limit and muster.admission.waiting (in calls), and the counter
// muster.admission.calls by priority (muster.priority) and by what became of them
// (muster.admission.outcome: admitted, queue_full, waited, too_late, caller_gone).
// With a Quota there is the counter muster.quota.calls too, by caller (muster.caller) and
// muster.quota.outcome, allowed or refused; no caller is named while nothing is limited.
// OpenTelemetry has no convention for these. Report is called once.
func (c *Controller) Report(meter metric.Meter) error {
	var errs []error
	gauge := func(name, what string) metric.Int64ObservableUpDownCounter {
		i, err := meter.Int64ObservableUpDownCounter(name, metric.WithUnit("{call}"), metric.WithDescription(what))
		errs = append(errs, err)
		return i
	}
	inFlight := gauge("muster.admission.in_flight", "Calls that are carried out.")
	limit := gauge("muster.admission.limit", "Calls that may be carried out at the same time.")
	waiting := gauge("muster.admission.waiting", "Calls that wait for room.")
	calls, err := meter.Int64ObservableCounter("muster.admission.calls", metric.WithUnit("{call}"),
		metric.WithDescription("Calls by what became of them at the door."))
	errs = append(errs, err)
	asked, err := meter.Int64ObservableCounter("muster.quota.calls", metric.WithUnit("{call}"),
		metric.WithDescription("Calls by who asked and whether its limit allowed it."))
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	const outcomes = 1 + ShedReasons
	var with [resilience.Priorities][outcomes]metric.ObserveOption
	for p := range resilience.Priority(resilience.Priorities) {
		for i := range outcomes {
			name := "admitted"
			if i > 0 {
				name = ShedReason(i - 1).String()
			}
			with[p][i] = metric.WithAttributeSet(attribute.NewSet(
				attribute.String("muster.priority", p.String()), attribute.String("muster.admission.outcome", name)))
		}
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := c.Stats()
		o.ObserveInt64(inFlight, int64(s.InFlight))
		o.ObserveInt64(limit, int64(s.Limit))
		o.ObserveInt64(waiting, int64(s.Waiting))
		for p := range with {
			o.ObserveInt64(calls, int64(s.Admitted[p]), with[p][0]) //nolint:gosec // a count
			for i, n := range s.Shed[p] {
				o.ObserveInt64(calls, int64(n), with[p][i+1]) //nolint:gosec // a count
			}
		}
		for _, q := range c.quota.Stats() {
			for outcome, n := range map[string]uint64{"allowed": q.Allowed, "refused": q.Refused} {
				o.ObserveInt64(asked, int64(n), metric.WithAttributes( //nolint:gosec // a count
					attribute.String("muster.caller", q.Caller), attribute.String("muster.quota.outcome", outcome)))
			}
		}
		return nil
	}, asked, inFlight, limit, waiting, calls)
	return err
}
