package seen

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/musterdev/muster/call/resilience"
)

// Report has a meter tell how a caller's calls stand, which services returns. All of it is by the service
// called (server.address, as of the durations of calls), what is said of policies also
// by the pattern of the route (muster.call.route, left out of calls that no route
// matches), so that there are as many series as services and routes, whatever is called:
//
//	muster.call.in_flight            attempts that run
//	muster.call.instances            by muster.call.instance.state: usable, ejected, suspect
//	muster.call.ejections            times that an instance was left out
//	muster.call.attempts             by muster.call.outcome: the words of [Attempts]
//	muster.call.retries              by muster.call.verdict, see [resilience.Verdict]
//	muster.call.budget               extra attempts, by muster.call.budget.answer: spent, denied
//	muster.call.hedges               second attempts, by muster.call.hedge.result: won, lost
//	muster.call.breaker.state        1 for the state it is in, 0 for the others (muster.call.breaker.state)
//	muster.call.breaker.opened       times
//	muster.call.breaker.refused      calls
//	muster.call.bulkhead.in_flight   calls that have a place
//	muster.call.bulkhead.waiting     calls that wait for one
//	muster.call.bulkhead.waits       calls that had to wait
//	muster.call.bulkhead.wait_time   seconds that they waited, together
//	muster.call.bulkhead.refused     calls that got no place
//	muster.call.connections.waiting    calls that wait for a connection, where these are bounded
//	muster.call.connections.waits      calls that had to wait for one
//	muster.call.connections.wait_time  seconds that they waited, together
//	muster.call.connections.given_up   calls that waited in vain
//	muster.call.fallbacks            answers that something stood in for, by muster.call.fallback.origin
//
// OpenTelemetry has no convention for these. Report is called once.
func Report(meter metric.Meter, services func() []Service) error {
	m, err := newMeters(meter)
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, s := range services() {
			m.service(o, s)
		}
		return nil
	}, m.all...)
	return err
}

// The attributes.
const (
	attrService  = "server.address"
	attrRoute    = "muster.call.route"
	attrInstance = "muster.call.instance.state"
	attrOutcome  = "muster.call.outcome"
	attrVerdict  = "muster.call.verdict"
	attrBudget   = "muster.call.budget.answer"
	attrHedge    = "muster.call.hedge.result"
	attrBreaker  = "muster.call.breaker.state"
	attrOrigin   = "muster.call.fallback.origin"
)

// meters are the instruments.
type meters struct {
	all []metric.Observable

	inFlight, instances, breaker, places, waiting, queued metric.Int64ObservableUpDownCounter
	ejections, attempts, retries, budget, hedges          metric.Int64ObservableCounter
	opened, unlet, waits, noPlace, fallbacks              metric.Int64ObservableCounter
	linkWaits, linkVain                                   metric.Int64ObservableCounter
	waitTime, linkTime                                    metric.Float64ObservableCounter
}

func newMeters(meter metric.Meter) (*meters, error) {
	m := &meters{}
	var errs []error
	for _, i := range []struct {
		at         *metric.Int64ObservableUpDownCounter
		name, unit string
		what       string
	}{
		{&m.inFlight, "in_flight", "{attempt}", "Attempts that run."},
		{&m.instances, "instances", "{instance}", "Instances of the service called, by what this caller thinks of them."},
		{&m.breaker, "breaker.state", "1", "1 for the state the breaker is in."},
		{&m.places, "bulkhead.in_flight", "{call}", "Calls that have a place of the bulkhead."},
		{&m.waiting, "bulkhead.waiting", "{call}", "Calls that wait for a place."},
		{&m.queued, "connections.waiting", "{call}", "Calls that wait for a connection."},
	} {
		made, err := meter.Int64ObservableUpDownCounter("muster.call."+i.name, metric.WithUnit(i.unit), metric.WithDescription(i.what))
		*i.at = made
		m.all, errs = append(m.all, made), append(errs, err)
	}
	for _, i := range []struct {
		at         *metric.Int64ObservableCounter
		name, unit string
		what       string
	}{
		{&m.ejections, "ejections", "{ejection}", "Times that an instance was left out for answering badly."},
		{&m.attempts, "attempts", "{attempt}", "Attempts by what they told of their instance."},
		{&m.retries, "retries", "{attempt}", "Failed attempts by whether another followed, and if not, why."},
		{&m.budget, "budget", "{attempt}", "Extra attempts by what the budget said."},
		{&m.hedges, "hedges", "{attempt}", "Second attempts beside a slow first."},
		{&m.opened, "breaker.opened", "{time}", "Times that the breaker opened."},
		{&m.unlet, "breaker.refused", "{call}", "Calls that the breaker refused."},
		{&m.waits, "bulkhead.waits", "{call}", "Calls that had to wait for a place."},
		{&m.noPlace, "bulkhead.refused", "{call}", "Calls that got no place."},
		{&m.linkWaits, "connections.waits", "{call}", "Calls that had to wait for a connection."},
		{&m.linkVain, "connections.given_up", "{call}", "Calls that waited for a connection in vain."},
		{&m.fallbacks, "fallbacks", "{answer}", "Answers that something stood in for."},
	} {
		made, err := meter.Int64ObservableCounter("muster.call."+i.name, metric.WithUnit(i.unit), metric.WithDescription(i.what))
		*i.at = made
		m.all, errs = append(m.all, made), append(errs, err)
	}
	for _, i := range []struct {
		at         *metric.Float64ObservableCounter
		name, what string
	}{
		{&m.waitTime, "bulkhead.wait_time", "The time that calls waited for a place."},
		{&m.linkTime, "connections.wait_time", "The time that calls waited for a connection."},
	} {
		made, err := meter.Float64ObservableCounter("muster.call."+i.name, metric.WithUnit("s"), metric.WithDescription(i.what))
		*i.at = made
		m.all, errs = append(m.all, made), append(errs, err)
	}
	return m, errors.Join(errs...)
}

func (m *meters) service(o metric.Observer, s Service) {
	service := attribute.String(attrService, s.Service)
	var inFlight, usable, ejected, suspect int64
	now := time.Now()
	for _, i := range s.Instances {
		inFlight += i.InFlight
		switch {
		case i.State == Gone:
		case i.EjectedUntil.After(now):
			ejected++
		case i.Suspect:
			suspect++
		default:
			usable++
		}
	}
	o.ObserveInt64(m.inFlight, inFlight, metric.WithAttributes(service))
	if c := s.Connections; c != nil {
		with := metric.WithAttributes(service)
		o.ObserveInt64(m.queued, c.Waiting, with)
		o.ObserveInt64(m.linkWaits, int64(c.Waited), with) //nolint:gosec // a count
		o.ObserveInt64(m.linkVain, int64(c.GaveUp), with)  //nolint:gosec // a count
		o.ObserveFloat64(m.linkTime, c.WaitSum.Seconds(), with)
	}
	o.ObserveInt64(m.ejections, int64(s.Ejections), metric.WithAttributes(service)) //nolint:gosec // a count
	for state, n := range map[string]int64{"usable": usable, "ejected": ejected, "suspect": suspect} {
		o.ObserveInt64(m.instances, n, metric.WithAttributes(service, attribute.String(attrInstance, state)))
	}
	for _, r := range s.Routes {
		with := []attribute.KeyValue{service}
		if r.Pattern != "" {
			with = append(with, attribute.String(attrRoute, r.Pattern))
		}
		m.route(o, r, with)
	}
}

func (m *meters) route(o metric.Observer, r Route, with []attribute.KeyValue) {
	all := metric.WithAttributes(with...)
	by := func(i metric.Int64Observable, name string, values map[string]uint64) {
		for value, n := range values {
			set := slices.Concat(with, []attribute.KeyValue{attribute.String(name, value)})
			o.ObserveInt64(i, int64(n), metric.WithAttributes(set...)) //nolint:gosec // a count
		}
	}
	a, v := r.Attempts, r.Retries
	by(m.attempts, attrOutcome, map[string]uint64{
		"ok": a.OK, "failed": a.Failed, "shed": a.Shed, "unreachable": a.Unreachable, "abandoned": a.Abandoned, "unmade": a.Unmade,
	})
	by(m.retries, attrVerdict, map[string]uint64{
		resilience.Repeat.String(): v.Repeat, resilience.Pointless.String(): v.Pointless, resilience.TooLate.String(): v.TooLate,
		resilience.Unsafe.String(): v.Unsafe, resilience.Enough.String(): v.Enough, resilience.OverBudget.String(): v.OverBudget,
	})
	by(m.budget, attrBudget, map[string]uint64{"spent": r.Budget.Spent, "denied": r.Budget.Denied})
	if h := r.Hedge; h != nil {
		by(m.hedges, attrHedge, map[string]uint64{"won": h.Won, "lost": h.Second - min(h.Won, h.Second)})
	}
	if b := r.Breaker; b != nil {
		states := map[string]uint64{resilience.Closed.String(): 0, resilience.Open.String(): 0, resilience.HalfOpen.String(): 0}
		states[b.State.String()] = 1
		by(m.breaker, attrBreaker, states)
		o.ObserveInt64(m.opened, int64(b.Opened), all) //nolint:gosec // a count
		o.ObserveInt64(m.unlet, int64(b.Refused), all) //nolint:gosec // a count
	}
	if b := r.Bulkhead; b != nil {
		o.ObserveInt64(m.places, int64(b.InFlight), all)
		o.ObserveInt64(m.waiting, int64(b.Waiting), all)
		o.ObserveInt64(m.waits, int64(b.Waited), all)          //nolint:gosec // a count
		o.ObserveInt64(m.noPlace, int64(b.Full+b.GaveUp), all) //nolint:gosec // a count
		o.ObserveFloat64(m.waitTime, b.WaitSum.Seconds(), all)
	}
	if f := r.Fallback; f != nil {
		by(m.fallbacks, attrOrigin, map[string]uint64{"last_good": f.LastGood, "function": f.Func, "value": f.Value})
	}
}
