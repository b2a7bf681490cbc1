package cache

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Report has a meter tell what the cache does, with its Name as muster.cache.name:
// muster.cache.lookups by muster.cache.outcome (hit, miss, coalesced, stale: those of
// the others that got an old value), muster.cache.loads and muster.cache.shared by
// muster.cache.outcome (ok or error; hit or error), muster.cache.evicted,
// muster.cache.entries and muster.cache.size. OpenTelemetry has no convention for
// these. Report is called once.
func (c *Cache[T]) Report(meter metric.Meter) error {
	var errs []error
	counter := func(name, unit, what string) metric.Int64ObservableCounter {
		i, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return i
	}
	gauge := func(name, unit, what string) metric.Int64ObservableUpDownCounter {
		i, err := meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(what))
		errs = append(errs, err)
		return i
	}
	lookups := counter("muster.cache.lookups", "{lookup}", "Look-ups by how they were answered.")
	loads := counter("muster.cache.loads", "{load}", "Loads of what was not held.")
	shared := counter("muster.cache.shared", "{key}", "What the shared cache answered.")
	evicted := counter("muster.cache.evicted", "{entry}", "Entries that made room for others.")
	entries := gauge("muster.cache.entries", "{entry}", "Entries that are held.")
	size := gauge("muster.cache.size", "By", "Bytes of the entries that are held, estimated.")
	if err := errors.Join(errs...); err != nil {
		return err
	}
	name := attribute.String("muster.cache.name", c.cfg.Name)
	plain := metric.WithAttributeSet(attribute.NewSet(name))
	outcome := func(o string) metric.ObserveOption {
		return metric.WithAttributeSet(attribute.NewSet(name, attribute.String("muster.cache.outcome", o)))
	}
	hit, miss, coalesced, stale, ok, failed := outcome("hit"), outcome("miss"), outcome("coalesced"), outcome("stale"), outcome("ok"), outcome("error")
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := c.Stats()
		count := func(i metric.Int64ObservableCounter, n uint64, with metric.ObserveOption) {
			o.ObserveInt64(i, int64(n), with) //nolint:gosec // a count
		}
		count(lookups, s.Hits, hit)
		count(lookups, s.Misses, miss)
		count(lookups, s.Coalesced, coalesced)
		count(lookups, s.Stale, stale)
		count(loads, s.Loads-min(s.Errors, s.Loads), ok)
		count(loads, s.Errors, failed)
		count(shared, s.SharedHits, hit)
		count(shared, s.SharedErrors, failed)
		count(evicted, s.Evicted, plain)
		o.ObserveInt64(entries, int64(s.Entries), plain)
		o.ObserveInt64(size, s.Bytes, plain)
		return nil
	}, lookups, loads, shared, evicted, entries, size)
	return err
}
