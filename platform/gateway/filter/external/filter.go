// Package external asks another program whether a request may go on: a service of the fleet,
// or anything that answers HTTP, such as oauth2-proxy. 2xx lets the request in; 401, 403, 429
// and redirects are the client's answer; when there is no answer, the request is refused.
//
//	{"kind": "external", "with": {"service": "gatekeeper", "path": "/check", "subject": "X-User"}}
package external

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/memo"
	"github.com/musterdev/muster/problem"
)

// Filter asks. It is safe for concurrent use.
type Filter struct {
	cfg     Config
	client  *http.Client
	own     *http.Transport // closed with the filter; nil: the client's is somebody else's
	timeout time.Duration
	alike   []func(r *filter.Request) []string
	known   *memo.Memo[*decision] // nil: nothing is remembered
	places  chan struct{}         // of the questions under way
	breaker *resilience.Breaker
	asked   *prometheus.CounterVec
}

// decision is what came of a question. It does not change.
type decision struct {
	refusal  *filter.Answer // nil: the request may go on
	subject  filter.Subject
	told     filter.Header
	remember bool
}

var (
	_ filter.Owner      = (*Filter)(nil)
	_ filter.Closer     = (*Filter)(nil)
	_ filter.Introducer = (*Filter)(nil)
)

// Make is the [filter.Maker] of the kind "external". With Check nobody is asked.
func Make(_ context.Context, env filter.Env, with json.RawMessage) (filter.Filter, error) {
	cfg, err := read(with)
	if err != nil {
		return nil, err
	}
	return New(env, cfg)
}

// New returns a filter, which the caller closes. The error is a *problem.Error, InvalidArgument.
func New(env filter.Env, cfg Config) (*Filter, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := env.CheckService(cfg.Service); err != nil {
		return nil, problem.New(problem.InvalidArgument, "nobody could be asked").WithField("service", err.Error())
	}
	cfg = withDefaults(cfg)
	f := &Filter{
		cfg: cfg, timeout: cfg.Timeout.Or(time.Second), places: make(chan struct{}, cfg.AtOnce),
		breaker: resilience.NewBreaker(resilience.BreakerSettings{MinCalls: 10, Open: 2 * time.Second}),
	}
	for _, word := range cfg.Alike {
		find, _ := alike(word) // it was checked
		f.alike = append(f.alike, find)
	}
	if cfg.Remember > 0 {
		f.known = memo.New[*decision](cfg.Entries, int64(cfg.Entries)*2048)
	}
	var err error
	f.asked, err = filter.Register(env.Metrics, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "muster_edge_external_asked_total", Help: "Questions whether a request may go on, by what came of them.",
	}, []string{"outcome"}))
	if err != nil {
		return nil, problem.Wrap(err, problem.InvalidArgument, "the filter's metrics cannot be kept: %v", err)
	}
	return f, f.connect(env)
}

// connect makes the client that asks.
func (f *Filter) connect(env filter.Env) error {
	client := env.HTTP
	if f.cfg.Service != "" && !env.Check {
		if env.Service == nil {
			return problem.New(problem.InvalidArgument, "the filter cannot be made").
				WithField("service", "services of the fleet cannot be called here")
		}
		client = env.Service(f.cfg.Service)
	}
	if client == nil {
		client = &http.Client{}
	}
	c := *client
	// A redirect is the client's answer, and none of ours.
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	base := c.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	if t, ok := base.(*http.Transport); ok {
		f.own = t.Clone()
		f.own.MaxIdleConns, f.own.MaxIdleConnsPerHost = f.cfg.AtOnce, f.cfg.AtOnce // else most questions would begin with a connection
		c.Transport = f.own
	}
	f.client = &c
	return nil
}

// Close gives connections back.
func (f *Filter) Close() error {
	if f.own != nil {
		f.own.CloseIdleConnections()
	}
	return nil
}

// Owns implements [filter.Owner].
func (f *Filter) Owns() []string { return slices.Clone(f.cfg.Take) }

// Introduces implements [filter.Introducer]: where a field of the answer names who asks.
func (f *Filter) Introduces() bool { return f.cfg.Subject != "" }

// errAway says that nobody could be asked.
var errAway = errors.New("nobody could be asked whether the request may go on")

// Request implements [filter.Filter].
func (f *Filter) Request(ctx context.Context, r *filter.Request) error {
	d, err := f.decide(ctx, r)
	switch {
	case err != nil && ctx.Err() != nil:
		return problem.Wrap(err, problem.Canceled, "the client went away")
	case errors.Is(err, errAway) && f.cfg.AllowWhenAway:
		return nil
	case err != nil:
		return problem.Wrap(err, problem.Unavailable, "it cannot be found out now whether the request may go on; nothing was sent").WithRetryAfter(time.Second)
	case d.refusal != nil:
		return &filter.Answer{Status: d.refusal.Status, Header: slices.Clone(d.refusal.Header), Body: d.refusal.Body}
	}
	if d.subject.ID != "" {
		r.Identify(d.subject)
	}
	for _, field := range d.told {
		r.Fields.Add(field.Name, field.Value)
	}
	return nil
}

func (f *Filter) decide(ctx context.Context, r *filter.Request) (*decision, error) {
	if f.known == nil {
		return f.ask(ctx, r)
	}
	now := time.Now()
	key := f.key(r)
	if d, found := f.known.Get(&key, now); found {
		return d, nil
	}
	return f.known.Do(ctx, key, func(ctx context.Context) (*decision, error) {
		d, err := f.ask(ctx, r)
		if err == nil && d.remember {
			f.known.Put(&key, d, d.size(), now, now.Add(time.Duration(f.cfg.Remember)))
		}
		return d, err
	})
}

// key is the same for requests that are alike, and for no others: each text goes in with its
// length.
func (f *Filter) key(r *filter.Request) memo.Key {
	h := sha256.New()
	var buf [8]byte
	number := func(n int) {
		binary.BigEndian.PutUint64(buf[:], uint64(n)) //nolint:gosec // a length
		_, _ = h.Write(buf[:])
	}
	for _, find := range f.alike {
		values := find(r)
		number(len(values))
		for _, v := range values {
			number(len(v))
			_, _ = h.Write([]byte(v))
		}
	}
	return memo.Key(h.Sum(nil))
}

func (d *decision) size() int64 {
	n := 200
	fields := d.told
	if d.refusal != nil {
		fields = d.refusal.Header
		n += len(d.refusal.Body)
	}
	for _, field := range fields {
		n += len(field.Name) + len(field.Value) + 32
	}
	return int64(n)
}
