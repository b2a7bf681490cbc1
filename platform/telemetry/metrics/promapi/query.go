package promapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

var errTruncated = errors.New("results truncated due to limit")

// query evaluates an expression at one time.
func (a *api) query(ctx context.Context, r *http.Request) (answer, error) {
	limit, err := limitOf(r)
	if err != nil {
		return answer{}, err
	}
	at, err := timeOf(r, "time", a.cfg.Now())
	if err != nil {
		return answer{}, err
	}
	opts, err := options(r)
	if err != nil {
		return answer{}, err
	}
	q, err := a.cfg.Engine.NewInstantQuery(ctx, a.cfg.Storage, opts, r.Form.Get("query"), at)
	if err != nil {
		return answer{}, invalid("query", err)
	}
	return execute(ctx, q, r.Form.Get("query"), limit)
}

// queryRange evaluates it step by step.
func (a *api) queryRange(ctx context.Context, r *http.Request) (answer, error) {
	limit, err := limitOf(r)
	if err != nil {
		return answer{}, err
	}
	for name, what := range map[string]string{"start": "timestamp", "end": "timestamp", "step": "duration"} {
		if r.Form.Get(name) == "" {
			return answer{}, invalid(name, fmt.Errorf(`cannot parse "" to a valid %s`, what))
		}
	}
	start, err := timeOf(r, "start", a.cfg.Now())
	if err != nil {
		return answer{}, err
	}
	end, err := timeOf(r, "end", a.cfg.Now())
	if err != nil {
		return answer{}, err
	}
	step, err := durationOf(r, "step")
	if err != nil {
		return answer{}, err
	}
	opts, err := options(r)
	switch {
	case err != nil:
		return answer{}, err
	case end.Before(start):
		return answer{}, invalid("end", errors.New("end timestamp must not be before start time"))
	case step <= 0:
		return answer{}, invalid("step", errors.New("zero or negative query resolution step widths are not accepted. Try a positive integer"))
	case end.Sub(start)/step > MaxPoints:
		return answer{}, failure{badData, errors.New("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")}
	}
	q, err := a.cfg.Engine.NewRangeQuery(ctx, a.cfg.Storage, opts, r.Form.Get("query"), start, end, step)
	if err != nil {
		return answer{}, invalid("query", err)
	}
	return execute(ctx, q, r.Form.Get("query"), limit)
}

// execute carries a query out; its result is the engine's until the answer is closed.
func execute(ctx context.Context, q promql.Query, text string, limit int) (answer, error) {
	ans := answer{query: text, close: q.Close}
	res := q.Exec(ctx)
	if res.Err != nil {
		return ans, res.Err
	}
	ans.notes = res.Warnings
	value := res.Value
	switch v := value.(type) {
	case promql.Vector:
		if limit > 0 && len(v) > limit {
			value = v[:limit]
			ans.notes = ans.notes.Add(errTruncated)
		}
	case promql.Matrix:
		if limit > 0 && len(v) > limit {
			value = v[:limit]
			ans.notes = ans.notes.Add(errTruncated)
		}
	}
	ans.data = value
	return ans, nil
}

// format writes an expression as it should be.
func (a *api) format(_ context.Context, r *http.Request) (answer, error) {
	expr, err := a.cfg.Parser.ParseExpr(r.Form.Get("query"))
	if err != nil {
		return answer{}, invalid("query", err)
	}
	return answer{data: expr.Pretty(0)}, nil
}

// exemplars lists the exemplars of the series that an expression reads.
func (a *api) exemplars(ctx context.Context, r *http.Request) (answer, error) {
	start, end, err := window(r, minTime, maxTime)
	if err != nil {
		return answer{}, err
	}
	expr, err := a.cfg.Parser.ParseExpr(r.Form.Get("query"))
	if err != nil {
		return answer{}, invalid("query", err)
	}
	selectors := parser.ExtractSelectors(expr)
	if len(selectors) == 0 {
		return answer{data: []exemplarSeries{}}, nil
	}
	q, err := a.cfg.Exemplars.ExemplarQuerier(ctx)
	if err != nil {
		return answer{}, failure{internal, err}
	}
	found, err := q.Select(start, end, selectors...)
	if err != nil {
		return answer{}, err
	}
	list := make([]exemplarSeries, 0, len(found))
	for _, s := range found {
		e := exemplarSeries{Labels: s.SeriesLabels, Exemplars: make([]oneExemplar, 0, len(s.Exemplars))}
		for _, x := range s.Exemplars {
			e.Exemplars = append(e.Exemplars, oneExemplar{x.Labels, number(x.Value), seconds(x.Ts)})
		}
		list = append(list, e)
	}
	return answer{data: list}, nil
}
