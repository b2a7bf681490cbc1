package quota

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/keyed"
	"github.com/musterdev/muster/problem"
)

// Filter bounds how often is asked in a time of the calendar.
type Filter struct {
	rules   []*rule
	tell    bool
	dry     bool
	keeping *keeping // nil: nothing is kept
}

// rule is a Rule with what it counts.
type rule struct {
	Rule

	table                 *keyed.Table[entry, *entry]
	refused, crowded, dry prometheus.Counter
}

// entry is what is known of a key.
type entry struct {
	window  int64 // when it began, in seconds since 1970; 0: nothing is known yet
	end     int64
	total   int64 // as far as it is kept
	fresh   int64 // counted here since, or on its way
	last    int64 // when it was used
	known   bool  // total is what the store had
	waiting bool  // on the list of what is to be kept
	shared  bool  // it is in a store, and may be read again
}

// quietFor is how long a key is not used until its count is left to the store alone, in seconds.
const quietFor = 60

// Forgettable reports whether a new entry would decide the same, or soon.
func (e *entry) Forgettable(now time.Time) bool {
	t := now.Unix()
	return !e.waiting && (t >= e.end || e.shared && e.fresh == 0 && t-e.last > quietFor)
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
	counter := func(name, help string) (*prometheus.CounterVec, error) {
		return filter.Register(env.Metrics, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "muster_edge_quota_" + name, Help: help}, []string{"rule"}))
	}
	refused, err1 := counter("refused_total", "Requests refused by a quota.")
	crowded, err2 := counter("crowded_total", "Requests that shared a count, as there were more keys than are counted apart.")
	dry, err3 := counter("dry_refused_total", "Requests that a quota in a dry run would have refused.")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	for _, r := range c.Rules {
		f.rules = append(f.rules, &rule{
			Rule: r, table: keyed.NewTable[entry](c.Keys),
			refused: refused.WithLabelValues(r.Name), crowded: crowded.WithLabelValues(r.Name), dry: dry.WithLabelValues(r.Name),
		})
	}
	if env.Check {
		return f, nil
	}
	if f.keeping, err = keep(f, env, c); err != nil {
		return nil, err
	}
	return f, nil
}

// Close keeps what was counted last, within a second or so.
func (f *Filter) Close() error {
	if f.keeping == nil {
		return nil
	}
	return f.keeping.close()
}

// Request counts a request, or refuses it with 429 and the fields RateLimit,
// RateLimit-Policy and Retry-After.
func (f *Filter) Request(_ context.Context, r *filter.Request) error {
	now := r.Began
	if now.IsZero() {
		now = time.Now()
	}
	var buf [keyed.Size]byte
	if len(f.rules) > 1 { // none counts what another refuses
		for _, rl := range f.rules {
			if left, end := f.count(rl, rl.By.Append(buf[:0], r), now, 0); left <= 0 {
				return f.refuse(r, rl, now, end)
			}
		}
	}
	for _, rl := range f.rules {
		left, end := f.count(rl, rl.By.Append(buf[:0], r), now, 1)
		if left < 0 {
			return f.refuse(r, rl, now, end)
		}
		if f.tell {
			say(r, rl, now, left, end)
		}
	}
	return nil
}

// count counts n requests where they may pass, and returns how many more may; negative: these
// may not.
func (f *Filter) count(rl *rule, key []byte, now time.Time, n int64) (left, end int64) {
	s, e, own := rl.table.Lock(key, now)
	defer s.Unlock()
	if t := now.Unix(); t >= e.end || e.window == 0 {
		begin, end := rl.Per.Around(now)
		if e.fresh > 0 && e.waiting && f.keeping != nil {
			f.keeping.closed(rl, string(key), e) // the last of the window before
		}
		*e = entry{window: begin.Unix(), end: end.Unix(), waiting: e.waiting, shared: e.shared}
	}
	e.last = now.Unix()
	left = rl.Count - e.total - e.fresh - n
	if left < 0 {
		return left, e.end
	}
	if n > 0 {
		e.fresh += n
		if own && f.keeping != nil {
			f.keeping.note(rl, e, key)
		} else if !own {
			rl.crowded.Inc()
		}
	}
	return left, e.end
}

func (f *Filter) refuse(r *filter.Request, rl *rule, now time.Time, end int64) error {
	if f.dry {
		rl.dry.Inc()
		return nil
	}
	rl.refused.Inc()
	wait := max(time.Second, time.Unix(end, 0).Sub(now))
	say(r, rl, now, 0, end)
	return problem.New(problem.ResourceExhausted, "no more than %d a %s are taken by %s; nothing was done", rl.Count, rl.Per, rl.By).WithRetryAfter(wait)
}

// say tells how a client stands, as draft-ietf-httpapi-ratelimit-headers has it.
func say(r *filter.Request, rl *rule, now time.Time, left, end int64) {
	begin, until := rl.Per.Around(now)
	var buf [128]byte
	text := strconv.AppendQuote(buf[:0], rl.Name)
	name := len(text)
	text = strconv.AppendInt(append(text, ";q="...), rl.Count, 10)
	text = strconv.AppendInt(append(text, ";w="...), int64(until.Sub(begin)/time.Second), 10)
	r.Reply.Add("RateLimit-Policy", string(text))
	text = strconv.AppendInt(append(text[:name], ";r="...), left, 10)
	text = strconv.AppendInt(append(text, ";t="...), max(1, int64(math.Ceil(time.Unix(end, 0).Sub(now).Seconds()))), 10)
	r.Reply.Add("RateLimit", string(text))
}
