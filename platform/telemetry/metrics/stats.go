package metrics

import (
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// Stats tells what a database has, and what became of the points that it was given
// since it was opened: received = stored + the sum of Rejected.
type Stats struct {
	Series   int64            `json:"series"` // active
	Bytes    int64            `json:"bytes"`  // on the disk
	Oldest   time.Time        `json:"oldest"` // of the oldest sample; zero: there is none
	Received int64            `json:"received"`
	Stored   int64            `json:"stored"`
	Samples  int64            `json:"samples"`  // that the points stored were made into
	Rejected map[string]int64 `json:"rejected"` // points, by reason in words
}

// Stats tells how the database fares.
func (db *DB) Stats() Stats {
	if db.enter() != nil {
		return Stats{Rejected: map[string]int64{}}
	}
	defer db.leave()
	s := db.counts.stats()
	s.Series = int64(db.guard.series())
	s.Bytes = db.tsdb.Head().Size()
	for _, b := range db.tsdb.Blocks() {
		s.Bytes += b.Size()
	}
	if ms, err := db.tsdb.StartTime(); err == nil && db.tsdb.Head().NumSeries()+uint64(len(db.tsdb.Blocks())) > 0 {
		s.Oldest = time.UnixMilli(ms)
	}
	return s
}

// Cardinality lists the services by their active series, the one with the most first.
func (db *DB) Cardinality() []Cardinality { return db.guard.cardinality() }

// counts is what became of all points.
type counts struct {
	mu      sync.Mutex
	points  int64
	samples int64
	refused map[string]int64 // by reason
}

// mostReasons bounds the reasons that are told apart: some name a service.
const mostReasons = 200

func (c *counts) add(b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = map[string]int64{}
	}
	c.points += b.points
	c.samples += b.samples
	for why, n := range b.refused {
		if _, known := c.refused[why]; !known && len(c.refused) >= mostReasons {
			why = others
		}
		c.refused[why] += n
	}
}

func (c *counts) stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{Received: c.points, Stored: c.points, Samples: c.samples, Rejected: map[string]int64{}}
	maps.Copy(s.Rejected, c.refused)
	for _, n := range c.refused {
		s.Stored -= n
	}
	return s
}

// What is known of families is bounded.
const (
	mostFamilies = 20_000
	longestHelp  = 1024 // bytes
)

// families knows what each family is. It is told again with each export.
type families struct {
	mu    sync.RWMutex
	known map[string]sample.Meta
}

func (f *families) set(name string, m sample.Meta) {
	if len(m.Help) > longestHelp {
		m.Help = strings.ToValidUTF8(m.Help[:longestHelp], "")
	}
	f.mu.RLock()
	known, ok := f.known[name]
	full := len(f.known) >= mostFamilies
	f.mu.RUnlock()
	if known == m || !ok && full {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[name] = m
}

func (f *families) all() map[string]sample.Meta {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return maps.Clone(f.known)
}

// remember makes the guard know the series that were active when the process ended.
func (db *DB) remember() error {
	from := db.cfg.Now().Add(-db.cfg.Idle).UnixMilli()
	until := db.tsdb.Head().MaxTime()
	if until < from {
		return nil
	}
	q, err := db.tsdb.Querier(from, until)
	if err != nil {
		return err
	}
	defer func() { _ = q.Close() }()
	all := labels.MustNewMatcher(labels.MatchNotEqual, model.MetricNameLabel, "")
	set := q.Select(context.Background(), false, &storage.SelectHints{Start: from, End: until, Func: "series"}, all)
	for set.Next() {
		l := set.At().Labels()
		db.guard.admit(&sample.Point{
			Service: l.Get("job"), Metric: l.Get(model.MetricNameLabel), Extra: true,
			Samples: []sample.Sample{{Labels: l, Time: until}},
		}, nil)
	}
	return set.Err()
}

// chunks is how many chunks are in memory.
func (db *DB) chunks() int64 {
	families, err := db.own.Gather()
	if err != nil {
		return 0
	}
	for _, f := range families {
		if f.GetName() == "prometheus_tsdb_head_chunks" && len(f.GetMetric()) == 1 {
			return int64(f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	return 0
}
