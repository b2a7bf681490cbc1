// Package scrape fetches the metrics of programs that have a /metrics of Prometheus', in
// its text format or OpenMetrics.
package scrape

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

const (
	atOnce      = 8        // targets
	longestBody = 16 << 20 // bytes
	accept      = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)

// Target is a program whose metrics are fetched.
type Target struct {
	URL      string // of the metrics: http://127.0.0.1:9090/metrics
	Job      string // the service
	Instance string
}

// Sink keeps points; it returns how many it did not keep and why.
type Sink func(ctx context.Context, points []sample.Point, metas map[string]sample.Meta) (rejected int64, why string, err error)

// Config tells what is scraped and where it goes.
type Config struct {
	Targets func() []Target // asked each time
	Every   time.Duration   // 0: 10 s
	Sink    Sink
	Log     *slog.Logger     // nil: discarded
	Now     func() time.Time // nil: time.Now
}

// Scraper fetches. Run must be called, once.
type Scraper struct {
	cfg    Config
	client *http.Client
	states map[Target]*state // Run's
}

// state is what is remembered of a target.
type state struct {
	series map[string]labels.Labels // of the last time
	failed string                   // why it failed the last time
}

// New makes a Scraper.
func New(cfg Config) *Scraper {
	if cfg.Every <= 0 {
		cfg.Every = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Scraper{
		cfg: cfg, states: map[Target]*state{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute}},
	}
}

// Run scrapes all targets at once and then at each interval, until ctx ends.
func (s *Scraper) Run(ctx context.Context) {
	defer s.client.CloseIdleConnections()
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for {
		s.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round scrapes every target once, and ends the series of those that are gone.
func (s *Scraper) round(ctx context.Context) {
	now := s.cfg.Now()
	there := map[Target]bool{}
	var all sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for _, t := range s.cfg.Targets() {
		if there[t] {
			continue
		}
		there[t] = true
		st := s.states[t]
		if st == nil {
			st = &state{}
			s.states[t] = st
		}
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			s.one(ctx, t, st)
		})
	}
	all.Wait()
	for t, st := range s.states {
		if !there[t] {
			delete(s.states, t)
			b := batch{target: t, at: now.UnixMilli()}
			b.end(st.series)
			b.own(true, 0, 0)
			s.keep(ctx, t, b)
		}
	}
}

// one scrapes a target.
func (s *Scraper) one(ctx context.Context, t Target, st *state) {
	now := s.cfg.Now()
	b := batch{target: t, at: now.UnixMilli(), series: map[string]labels.Labels{}, metas: map[string]sample.Meta{}}
	err := s.fetch(ctx, &b)
	if ctx.Err() != nil {
		return
	}
	up := 1.0
	if err != nil {
		up = 0
		b = batch{target: t, at: now.UnixMilli()} // all or nothing
		if st.failed != err.Error() {
			s.cfg.Log.Warn("a program's metrics cannot be had", "job", t.Job, "instance", t.Instance, "url", t.URL, "err", err)
		}
		st.failed = err.Error()
	} else {
		st.failed = ""
	}
	n := len(b.points)
	for key := range b.series {
		delete(st.series, key)
	}
	b.end(st.series)
	b.own(false, up, float64(n))
	st.series = b.series
	s.keep(ctx, t, b)
}

// fetch asks a target and parses what it answers.
func (s *Scraper) fetch(ctx context.Context, b *batch) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Every*9/10)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.target.URL, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "muster")
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, longestBody+1))
	switch {
	case err != nil:
		return err
	case len(body) > longestBody:
		return fmt.Errorf("it answered more than %d bytes", longestBody)
	}
	return b.parse(body, res.Header.Get("Content-Type"))
}

func (s *Scraper) keep(ctx context.Context, t Target, b batch) {
	rejected, why, err := s.cfg.Sink(ctx, b.points, b.metas)
	switch {
	case err != nil:
		s.cfg.Log.Error("scraped metrics cannot be kept", "job", t.Job, "instance", t.Instance, "err", err)
	case rejected > 0:
		s.cfg.Log.Warn("scraped metrics were refused", "job", t.Job, "instance", t.Instance, "points", rejected, "why", why)
	}
}
