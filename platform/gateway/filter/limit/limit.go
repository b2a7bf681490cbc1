package limit

import (
	"context"
	"encoding/json"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/keyed"
	"github.com/musterdev/muster/problem"
)

// Filter bounds how often is asked.
type Filter struct {
	rules  []*rule
	tell   bool
	dry    bool
	shared *sharing // nil: alone
	metrics
}

// rule is a Rule with what it counts.
type rule struct {
	Rule

	table  *keyed.Table[entry, *entry]
	part   atomic.Pointer[quota.Rate] // of the rate, which this gateway uses without asking
	policy string                     // RateLimit-Policy
	prefix string                     // of its keys in the store
	counts
}

// entry is what is known of a key.
type entry struct {
	bucket quota.Bucket // of this gateway's part
	lease  *lease       // nil: none yet
}

// Forgettable reports whether a new entry would decide the same.
func (e *entry) Forgettable(now time.Time) bool {
	return e.bucket.Idle(now) && (e.lease == nil || e.lease.idle(now))
}

var (
	_ filter.Maker  = Make
	_ filter.Closer = (*Filter)(nil)
)

// Make makes a filter of a [Config].
func Make(_ context.Context, env filter.Env, with json.RawMessage) (filter.Filter, error) {
	c, err := parse(with)
	if err != nil {
		return nil, err
	}
	f := &Filter{tell: c.Tell, dry: c.DryRun}
	if err := f.metrics.register(env.Metrics); err != nil {
		return nil, err
	}
	for _, r := range c.Rules {
		rl := &rule{Rule: r, table: keyed.NewTable[entry](c.Keys), prefix: "limit/" + env.Name + "/" + r.Name + "/"}
		rl.policy, _ = (&quota.Over{Caller: r.Name, Rate: r.Rate}).Fields()
		rl.part.Store(&r.Rate)
		rl.counts = f.metrics.of(r.Name)
		f.rules = append(f.rules, rl)
	}
	if c.Shared == nil || env.Check {
		return f, nil
	}
	if env.Store == nil && env.Bus == "" {
		env.Log.Warn("a shared limit is shared with nobody: this edge has no broker", "filter", env.Name)
		f.gateways.Set(1)
		return f, nil
	}
	f.shared, err = share(f, env, *c.Shared)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Close ends the sharing: what was used is booked, within a second.
func (f *Filter) Close() error {
	if f.shared == nil {
		return nil
	}
	return f.shared.close()
}

// Request lets a request pass, or refuses it with 429 and the fields RateLimit,
// RateLimit-Policy and Retry-After.
func (f *Filter) Request(ctx context.Context, r *filter.Request) error {
	now := r.Began
	if now.IsZero() {
		now = time.Now()
	}
	var buf [keyed.Size]byte
	if len(f.rules) > 1 { // none takes what another refuses
		for _, rl := range f.rules {
			if ok, wait := f.sure(rl, rl.By.Append(buf[:0], r), now); !ok {
				return f.refuse(r, rl, wait)
			}
		}
	}
	least, of := -1, f.rules[0]
	for _, rl := range f.rules {
		ok, left, wait := f.take(ctx, rl, rl.By.Append(buf[:0], r), now)
		if !ok {
			return f.refuse(r, rl, wait)
		}
		if least < 0 || left < least {
			least, of = left, rl
		}
	}
	if f.tell {
		f.say(r, of, least)
	}
	return nil
}

// sure takes nothing: ok is false when take will surely refuse.
func (f *Filter) sure(rl *rule, key []byte, now time.Time) (ok bool, wait time.Duration) {
	s, e, own := rl.table.Lock(key, now)
	defer s.Unlock()
	bucket := e.bucket
	if ok, wait = bucket.Allow(now, *rl.part.Load(), 1); ok || f.shared == nil || !own {
		return ok, wait
	}
	return e.lease == nil || e.lease.left(now) > 0 || f.shared.mayHave(e.lease, now), wait
}

// take takes one request off what the key may ask.
func (f *Filter) take(ctx context.Context, rl *rule, key []byte, now time.Time) (ok bool, left int, wait time.Duration) {
	s, e, own := rl.table.Lock(key, now)
	part := rl.part.Load()
	ok, wait = e.bucket.Allow(now, *part, 1)
	if !own {
		rl.crowded.Inc()
	}
	if f.tell && ok {
		left, _ = e.bucket.Left(now, *part)
	}
	if f.shared == nil || !own {
		s.Unlock()
		return ok, left, wait
	}
	if e.lease == nil {
		e.lease = &lease{}
	}
	if ok {
		f.shared.book(rl, e.lease, key)
		left += e.lease.left(now)
		s.Unlock()
		return true, left, 0
	}
	if e.lease.use(now) {
		left = e.lease.left(now)
		f.shared.renew(rl, e.lease, key, now)
		s.Unlock()
		return true, left, 0
	}
	wake := f.shared.ask(rl, e.lease, key, now)
	s.Unlock()
	if wake == nil || !f.shared.await(ctx, wake) {
		return false, 0, wait
	}
	if s, e, own = rl.table.Find(string(key)); own {
		ok = e.lease != nil && e.lease.use(now)
		s.Unlock()
	}
	return ok, 0, wait
}

// refuse says no, or in a dry run only counts.
func (f *Filter) refuse(r *filter.Request, rl *rule, wait time.Duration) error {
	if f.dry {
		rl.dry.Inc()
		return nil
	}
	rl.refused.Inc()
	policy, limit := (&quota.Over{Caller: rl.Name, Rate: rl.Rate, Wait: wait}).Fields()
	r.Reply.Set("RateLimit-Policy", policy)
	r.Reply.Set("RateLimit", limit)
	return problem.New(problem.ResourceExhausted, "no more than %s are taken by %s; nothing was done", rl.Rate, rl.By).WithRetryAfter(wait)
}

// say tells a client how it stands with the rule that has the least left.
func (f *Filter) say(r *filter.Request, rl *rule, left int) {
	var buf [96]byte
	limit := strconv.AppendQuote(buf[:0], rl.Name)
	limit = append(limit, ";r="...)
	limit = strconv.AppendInt(limit, int64(left), 10)
	r.Reply.Add("RateLimit-Policy", rl.policy)
	r.Reply.Add("RateLimit", string(limit))
}
