package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/musterdev/muster/platform/telemetry/metrics/exposition"
	"github.com/musterdev/muster/platform/telemetry/metrics/promapi"
	"github.com/musterdev/muster/problem"
)

// Series is a series of numbers.
type Series struct {
	Labels labels.Labels // Get returns one's value
	Points []Point       // by time
}

// Point is a number at a time. It may be NaN or infinite, where a query divides by zero.
type Point struct {
	Time  int64 // ms since 1970
	Value float64
}

// Query answers a PromQL expression at one time: each series has one point. Native
// histograms are left out; histogram_quantile and the like make numbers of them. An
// expression that cannot be parsed, or is too large, is a problem.InvalidArgument.
func (db *DB) Query(ctx context.Context, expr string, at time.Time) ([]Series, error) {
	return db.query(ctx, expr, func(q storage.Queryable) (promql.Query, error) {
		return db.engine.NewInstantQuery(ctx, q, nil, expr, at)
	})
}

// Range answers a PromQL expression at from, from+step and so on, until until: each
// series has a point for each time at which it has a value.
func (db *DB) Range(ctx context.Context, expr string, from, until time.Time, step time.Duration) ([]Series, error) {
	switch {
	case step < time.Millisecond:
		return nil, problem.New(problem.InvalidArgument, "a step of %s is too short: give 1ms or more", step)
	case until.Before(from):
		return nil, problem.New(problem.InvalidArgument, "the end of the range lies before its start")
	case until.Sub(from)/step > promapi.MaxPoints:
		return nil, problem.New(problem.InvalidArgument, "a range has at most %d steps: give a longer step than %s", promapi.MaxPoints, step)
	}
	return db.query(ctx, expr, func(q storage.Queryable) (promql.Query, error) {
		return db.engine.NewRangeQuery(ctx, q, nil, expr, from, until, step)
	})
}

func (db *DB) query(ctx context.Context, expr string, prepare func(storage.Queryable) (promql.Query, error)) ([]Series, error) {
	q, err := prepare(db)
	if err != nil {
		return nil, problem.Wrap(err, problem.InvalidArgument, "the query %q: %v", expr, err)
	}
	defer q.Close()
	res := q.Exec(ctx)
	if err := res.Err; err != nil {
		if _, ok := errors.AsType[promql.ErrStorage](err); ok || ctx.Err() != nil {
			return nil, fmt.Errorf("metrics: the query %q: %w", expr, err)
		}
		if _, ok := errors.AsType[promql.ErrQueryTimeout](err); ok {
			return nil, problem.Wrap(err, problem.DeadlineExceeded, "the query %q took longer than %s", expr, db.cfg.Timeout)
		}
		return nil, problem.Wrap(err, problem.InvalidArgument, "the query %q: %v", expr, err)
	}
	var list []Series // copies: the engine uses its own again
	switch v := res.Value.(type) {
	case promql.Scalar:
		list = append(list, Series{Points: []Point{{v.T, v.V}}})
	case promql.Vector:
		for _, s := range v {
			if s.H == nil {
				list = append(list, Series{Labels: s.Metric, Points: []Point{{s.T, s.F}}})
			}
		}
	case promql.Matrix:
		for _, s := range v {
			points := make([]Point, len(s.Floats))
			for i, f := range s.Floats {
				points[i] = Point{f.T, f.F}
			}
			if len(points) > 0 {
				list = append(list, Series{s.Metric, points})
			}
		}
	default:
		return nil, problem.New(problem.InvalidArgument, "the query %q is a %s, not numbers", expr, res.Value.Type())
	}
	return list, nil
}

// Querier makes a DB a storage.Queryable of Prometheus'. It keeps the database open
// until it is closed.
func (db *DB) Querier(from, until int64) (storage.Querier, error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	q, err := db.tsdb.Querier(from, until)
	if err != nil {
		db.leave()
		return nil, err
	}
	return &querier{q, db}, nil
}

// querier lets the database be closed once it is.
type querier struct {
	storage.Querier

	db *DB // nil: closed
}

func (q *querier) Close() error {
	if q.db == nil {
		return nil
	}
	err := q.Querier.Close()
	q.db.leave()
	q.db = nil
	return err
}

// ExemplarQuerier makes a DB a storage.ExemplarQueryable of Prometheus'. Exemplars are
// in memory only, the last 20,000.
func (db *DB) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave()
	return db.tsdb.ExemplarQuerier(ctx)
}

// Handler serves Prometheus' HTTP API, /api/v1/..., as far as clients that ask need it,
// and the latest of every series at /metrics.
func (db *DB) Handler() http.Handler {
	mux := http.NewServeMux()
	api := promapi.New(promapi.Config{
		Storage: db, Exemplars: db, Engine: db.engine, Parser: db.parser, Meta: db.meta.all, Head: db.head,
		Timeout: db.cfg.Timeout, Now: db.cfg.Now, Log: db.cfg.Log,
	})
	mux.Handle("/api/v1/", api)
	mux.Handle("GET /metrics", exposition.New(exposition.Config{Storage: db, Meta: db.meta.all, Now: db.cfg.Now, Log: db.cfg.Log}))
	return mux
}

// head tells of what is in memory.
func (db *DB) head(limit int) (*tsdb.Stats, int64, error) {
	if err := db.enter(); err != nil {
		return nil, 0, err
	}
	defer db.leave()
	return db.tsdb.Head().Stats(model.MetricNameLabel, limit), db.chunks(), nil
}

// slots lets so many queries run at a time; the others wait.
type slots chan struct{}

func (s slots) GetMaxConcurrent() int { return cap(s) }
func (s slots) Delete(int)            { <-s }
func (s slots) Close() error          { return nil }

func (s slots) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case s <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

var (
	_ storage.Queryable         = (*DB)(nil)
	_ storage.ExemplarQueryable = (*DB)(nil)
)
