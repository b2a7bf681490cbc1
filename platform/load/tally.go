package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/load/latency"
)

const (
	maxSeconds  = 3600 // of a result's series; a longer plan has longer intervals
	maxFailures = 10   // described
)

// tally counts what visitors saw. It is safe for concurrent use.
type tally struct {
	began    time.Time
	interval time.Duration

	mu         sync.Mutex
	r          Result
	flows      [][]string // names, by the steps' index
	response   *latency.Histogram
	service    *latency.Histogram
	lag        *latency.Histogram
	recent     *latency.Histogram // of responses; nil: nobody asks for it
	steps      []*counted
	priorities [resilience.Priorities]*counted
	described  map[string]bool
}

// counted is the requests of one kind.
type counted struct {
	requests, failed, shed int64
	status                 map[string]int64
	response, service      *latency.Histogram
}

func newCounted() *counted {
	return &counted{status: map[string]int64{}, response: latency.New(), service: latency.New()}
}

func newTally(flows []flow, plan Plan, began time.Time) *tally {
	length := plan.For()
	t := &tally{
		began: began, interval: max(time.Second, (length/maxSeconds + time.Second - 1).Truncate(time.Second)),
		response: latency.New(), service: latency.New(), lag: latency.New(), described: map[string]bool{},
	}
	for _, f := range flows {
		for _, s := range f.steps {
			t.flows = append(t.flows, []string{f.name, s.name})
			t.steps = append(t.steps, nil)
		}
	}
	t.r.Seed = plan.Seed
	t.r.Interval = t.interval
	t.r.Series = make([]Interval, (length+t.interval-1)/t.interval)
	return t
}

// at returns the interval of an arrival; t.mu is held.
func (t *tally) at(intended time.Time) *Interval {
	i := int(intended.Sub(t.began) / t.interval)
	return &t.r.Series[min(max(i, 0), len(t.r.Series)-1)]
}

// dropped counts a visitor for whom there was no room.
func (t *tally) dropped(intended time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Offered++
	t.r.Dropped++
	i := t.at(intended)
	i.Offered++
	i.Dropped++
}

// arrived counts a visitor who came so much later than intended.
func (t *tally) arrived(intended time.Time, lag time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.r.Offered++
	t.at(intended).Offered++
	t.lag.Record(lag)
}

// request counts one request, unless it was cut off.
func (t *tally) request(f *flow, s *step, out Sample) {
	if out.Cut {
		return
	}
	response, service := out.Ended.Sub(out.Intended), out.Ended.Sub(out.Began)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.response.Record(response)
	t.service.Record(service)
	if t.recent != nil {
		t.recent.Record(response)
	}
	for _, c := range []**counted{&t.steps[s.index], &t.priorities[out.Priority.Class()]} {
		if *c == nil {
			*c = newCounted()
		}
		(*c).requests++
		(*c).status[out.Status]++
		(*c).response.Record(response)
		(*c).service.Record(service)
		if out.Shed {
			(*c).shed++
		}
		if out.Err != nil {
			(*c).failed++
		}
	}
	if out.Err == nil {
		return
	}
	key := f.name + "\x00" + s.name + "\x00" + out.Status // one of a kind says what it is
	if !t.described[key] && len(t.described) < maxFailures {
		t.described[key] = true
		t.r.Failures = append(t.r.Failures, fmt.Sprintf("%s: %s: %.300s", f.name, s.name, firstLine(out.Err)))
	}
}

// left counts the end of a visit by its last request.
func (t *tally) left(intended time.Time, last Sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.at(intended)
	switch {
	case last.Cut:
		t.r.Cut++
		i.Cut++
	case last.Err != nil:
		t.r.Failed++
		i.Failed++
		if last.Shed {
			t.r.Shed++
			i.Shed++
		}
	default:
		t.r.OK++
		i.OK++
	}
}

// result sums up; nobody counts any more.
func (t *tally) result(plan Plan, maxLag, elapsed time.Duration) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.r
	r.Began, r.Elapsed = t.began, elapsed
	r.Response, r.Service, r.Lag = t.response.Times(), t.service.Times(), t.lag.Times()
	for i, c := range t.steps {
		if c != nil {
			r.Steps = append(r.Steps, Requests{Flow: t.flows[i][0], Step: t.flows[i][1]}.with(c))
			r.Requests += c.requests
		}
	}
	for p, c := range t.priorities {
		if c != nil {
			r.Priorities = append(r.Priorities, Requests{Priority: resilience.Priority(p).String()}.with(c))
		}
	}
	if r.Lag.P99 > maxLag {
		r.Void = fmt.Sprintf("the generator was late by %s at the 99th percentile, and %s is the most: this machine is too busy to measure; offer less, or free it",
			latency.Short(r.Lag.P99), maxLag)
	}
	r.SLO = plan.SLO.judge(r)
	return r
}

func (q Requests) with(c *counted) Requests {
	q.Requests, q.Failed, q.Shed, q.Status = c.requests, c.failed, c.shed, c.status
	q.Response, q.Service = c.response.Times(), c.service.Times()
	return q
}

// firstLine keeps an error to one line, the cause of an end of time named.
func firstLine(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	s := []rune(err.Error())
	for i, c := range s {
		if c == '\n' {
			return string(s[:i])
		}
	}
	return string(s)
}
