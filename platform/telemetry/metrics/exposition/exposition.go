// Package exposition serves the latest sample of every series, for another Prometheus to
// scrape, as its federation does: with honor_labels, because job and instance are those
// of the program that measured. Native histograms, which the text formats lack, are left
// out.
package exposition

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
	"github.com/musterdev/muster/problem"
)

// Config tells what is served.
type Config struct {
	Storage  storage.Queryable
	Meta     func() map[string]sample.Meta
	Lookback time.Duration    // how old a sample may be; 0: 5 min
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: discarded
}

// New returns the handler of /metrics. It answers in OpenMetrics 1.0.0 when Accept names
// it, else in Prometheus' text format 0.0.4.
func New(cfg Config) http.Handler {
	if cfg.Lookback == 0 {
		cfg.Lookback = 5 * time.Minute
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		metas := cfg.Meta()
		list, err := cfg.latest(r.Context(), metas)
		if err != nil {
			cfg.Log.Error("the metrics cannot be shown", "err", err)
			problem.Write(w, r, err)
			return
		}
		open := strings.Contains(r.Header.Get("Accept"), "application/openmetrics-text")
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		if open {
			w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
		}
		write(w, list, open)
	})
}

// latest is a series and its last sample.
type latest struct {
	family string
	group  string // the labels that the series of one histogram share
	part   string // _bucket, _sum, _count: of a histogram or summary
	bound  float64
	labels labels.Labels
	name   string
	meta   sample.Meta
	time   int64
	value  float64
}

// latest returns the last sample of every series that goes on, in the order of the
// formats: those of one family, and in it those of one histogram, together.
func (c *Config) latest(ctx context.Context, metas map[string]sample.Meta) ([]latest, error) {
	now := c.Now()
	q, err := c.Storage.Querier(now.Add(-c.Lookback).UnixMilli(), now.UnixMilli())
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.Close() }()
	all := labels.MustNewMatcher(labels.MatchNotEqual, model.MetricNameLabel, "")
	set := q.Select(ctx, false, nil, all)
	var list []latest
	var it chunkenc.Iterator
	for set.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := latest{labels: set.At().Labels()}
		number := false
		it = set.At().Iterator(it)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if number = kind == chunkenc.ValFloat; number {
				s.time, s.value = it.At()
			}
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
		if number && !value.IsStaleNaN(s.value) {
			s.place(metas)
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b latest) int {
		return cmp.Or(cmp.Compare(a.family, b.family), cmp.Compare(a.group, b.group), cmp.Compare(a.part, b.part),
			cmp.Compare(a.bound, b.bound), labels.Compare(a.labels, b.labels))
	})
	return list, set.Err()
}

// place finds out what a series belongs to.
func (s *latest) place(metas map[string]sample.Meta) {
	s.name = s.labels.Get(model.MetricNameLabel)
	s.family = s.name
	var known bool
	if s.meta, known = metas[s.name]; !known {
		for _, suffix := range []string{"_bucket", "_sum", "_count", "_total"} {
			base, ok := strings.CutSuffix(s.name, suffix)
			m := metas[base]
			if !ok || !belongs(m.Type, suffix) {
				continue
			}
			if s.meta = m; suffix != "_total" { // a counter that was scraped as OpenMetrics: here it is as all others
				s.family, s.part = base, suffix
			}
			break
		}
	}
	lb := labels.NewBuilder(s.labels).Del(model.MetricNameLabel)
	switch s.meta.Type {
	case model.MetricTypeHistogram:
		s.bound, _ = strconv.ParseFloat(s.labels.Get(labels.BucketLabel), 64)
		lb.Del(labels.BucketLabel)
	case model.MetricTypeSummary:
		s.bound, _ = strconv.ParseFloat(s.labels.Get("quantile"), 64)
		lb.Del("quantile")
	default:
	}
	s.group = lb.Labels().String()
}

// belongs reports whether the series of a family of a type have a suffix.
func belongs(kind model.MetricType, suffix string) bool {
	switch kind {
	case model.MetricTypeHistogram:
		return suffix != "_total"
	case model.MetricTypeSummary:
		return suffix == "_sum" || suffix == "_count"
	case model.MetricTypeCounter:
		return suffix == "_total"
	default:
		return false
	}
}
