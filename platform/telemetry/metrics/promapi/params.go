package promapi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// The ends of time, as Prometheus writes them and clients send them back.
var (
	minTime = time.Unix(math.MinInt64/1000+62135596801, 0).UTC()
	maxTime = time.Unix(math.MaxInt64/1000-62135596801, 999999999).UTC()
)

func invalid(name string, err error) error {
	return failure{badData, fmt.Errorf("invalid parameter %q: %w", name, err)}
}

// timeOf reads a time: seconds since 1970, with a fraction, or RFC 3339.
func timeOf(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	s := r.Form.Get(name)
	if s == "" {
		return otherwise, nil
	}
	if t, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(t) {
		if t <= -1e14 {
			return minTime, nil
		}
		if t >= 1e14 {
			return maxTime, nil
		}
		whole, part := math.Modf(t)
		return time.Unix(int64(whole), int64(math.Round(part*1000)*1e6)).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	switch s {
	case minTime.Format(time.RFC3339Nano):
		return minTime, nil
	case maxTime.Format(time.RFC3339Nano):
		return maxTime, nil
	}
	return time.Time{}, invalid(name, fmt.Errorf("cannot parse %q to a valid timestamp", s))
}

// durationOf reads a duration: seconds, with a fraction, or 5m.
func durationOf(r *http.Request, name string) (time.Duration, error) {
	s := r.Form.Get(name)
	if s == "" {
		return 0, nil
	}
	if d, err := strconv.ParseFloat(s, 64); err == nil {
		ns := d * float64(time.Second)
		if !(math.Abs(ns) < math.MaxInt64) {
			return 0, invalid(name, fmt.Errorf("cannot parse %q to a valid duration. It overflows int64", s))
		}
		return time.Duration(ns), nil
	}
	if d, err := model.ParseDuration(s); err == nil {
		return time.Duration(d), nil
	}
	return 0, invalid(name, fmt.Errorf("cannot parse %q to a valid duration", s))
}

// limitOf reads how many results are wanted; 0: all.
func limitOf(r *http.Request) (int, error) {
	const name = "limit"
	s := r.Form.Get(name)
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return 0, invalid(name, fmt.Errorf("cannot parse %q to a valid limit", s))
	case n < 0:
		return 0, invalid(name, errors.New("limit must be non-negative"))
	}
	return n, nil
}

// bound gives a request the time that it asks for, the API's at most.
func (a *api) bound(r *http.Request) (context.Context, context.CancelFunc, error) {
	longest := a.cfg.Timeout
	asked, err := durationOf(r, "timeout")
	switch {
	case err != nil:
		return nil, nil, err
	case r.Form.Get("timeout") != "" && asked <= 0:
		return nil, nil, invalid("timeout", fmt.Errorf("timeout must be positive, got %s", asked))
	case asked > 0:
		longest = min(longest, asked)
	}
	ctx, cancel := context.WithTimeout(r.Context(), longest)
	return ctx, cancel, nil
}

// window reads start and end.
func window(r *http.Request, from, until time.Time) (start, end int64, err error) {
	s, err := timeOf(r, "start", from)
	if err != nil {
		return 0, 0, err
	}
	e, err := timeOf(r, "end", until)
	if err != nil {
		return 0, 0, err
	}
	if e.Before(s) {
		return 0, 0, invalid("end", errors.New("end timestamp must not be before start timestamp"))
	}
	return s.UnixMilli(), e.UnixMilli(), nil
}

// selectors reads match[].
func (a *api) selectors(r *http.Request) ([][]*labels.Matcher, error) {
	sets, err := a.cfg.Parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, invalid("match[]", err)
	}
	for _, set := range sets { // one that matches no name at all asks for everything by mistake
		all := true
		for _, m := range set {
			all = all && m.Matches("")
		}
		if all {
			return nil, invalid("match[]", errors.New("match[] must contain at least one non-empty matcher"))
		}
	}
	return sets, nil
}

// options reads what an evaluation may be told.
func options(r *http.Request) (promql.QueryOpts, error) {
	lookback, err := durationOf(r, "lookback_delta")
	if err != nil {
		return nil, err
	}
	return promql.NewPrometheusQueryOpts(false, max(lookback, 0), nil), nil
}
