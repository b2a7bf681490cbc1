package promapi

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/index"
	"github.com/prometheus/prometheus/util/annotations"
)

// lookup returns names, or values, that a storage has for some matchers.
type lookup func(q storage.Querier, hints *storage.LabelHints, m ...*labels.Matcher) ([]string, annotations.Annotations, error)

// labelNames lists the names of labels.
func (a *api) labelNames(ctx context.Context, r *http.Request) (answer, error) {
	return a.union(r, func(q storage.Querier, hints *storage.LabelHints, m ...*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelNames(ctx, hints, m...)
	})
}

// labelValues lists the values of a label.
func (a *api) labelValues(ctx context.Context, r *http.Request) (answer, error) {
	name := r.PathValue("name")
	if quoted, ok := strings.CutPrefix(name, "U__"); ok { // how a name that is no identifier stands in a path
		name = unescape(quoted)
	}
	if name == "" {
		return answer{}, failure{badData, errors.New(`invalid label name: ""`)}
	}
	return a.union(r, func(q storage.Querier, hints *storage.LabelHints, m ...*labels.Matcher) ([]string, annotations.Annotations, error) {
		return q.LabelValues(ctx, name, hints, m...)
	})
}

// union lists what a lookup finds for each match[].
func (a *api) union(r *http.Request, find lookup) (answer, error) {
	limit, err := limitOf(r)
	if err != nil {
		return answer{}, err
	}
	start, end, err := window(r, minTime, maxTime)
	if err != nil {
		return answer{}, err
	}
	sets, err := a.selectors(r)
	if err != nil {
		return answer{}, err
	}
	if len(sets) == 0 {
		sets = [][]*labels.Matcher{nil}
	}
	q, err := a.cfg.Storage.Querier(start, end)
	if err != nil {
		return answer{}, failure{internal, err}
	}
	defer func() { _ = q.Close() }()
	hints := &storage.LabelHints{}
	if limit > 0 {
		hints.Limit = limit + 1
	}
	all := map[string]struct{}{}
	var notes annotations.Annotations
	for _, set := range sets {
		names, more, err := find(q, hints, set...)
		if err != nil {
			return answer{}, err
		}
		notes.Merge(more)
		for _, n := range names {
			all[strings.Clone(n)] = struct{}{} // the storage's until the querier is closed
		}
	}
	list := append([]string{}, slices.Sorted(maps.Keys(all))...)
	if limit > 0 && len(list) > limit {
		list, notes = list[:limit], notes.Add(errTruncated)
	}
	return answer{data: list, notes: notes}, nil
}

// series lists the series that match.
func (a *api) series(ctx context.Context, r *http.Request) (answer, error) {
	limit, err := limitOf(r)
	if err != nil {
		return answer{}, err
	}
	start, end, err := window(r, minTime, maxTime)
	if err != nil {
		return answer{}, err
	}
	sets, err := a.selectors(r)
	switch {
	case err != nil:
		return answer{}, err
	case len(sets) == 0:
		return answer{}, failure{badData, errors.New("no match[] parameter provided")}
	}
	q, err := a.cfg.Storage.Querier(start, end)
	if err != nil {
		return answer{}, failure{internal, err}
	}
	defer func() { _ = q.Close() }()
	hints := &storage.SelectHints{Start: start, End: end, Func: "series"}
	if limit > 0 {
		hints.Limit = limit + 1
	}
	found := make([]storage.SeriesSet, 0, len(sets))
	for _, set := range sets {
		found = append(found, q.Select(ctx, true, hints, set...))
	}
	merged := storage.NewMergeSeriesSet(found, 0, storage.ChainedSeriesMerge)
	list := []labels.Labels{}
	notes := merged.Warnings()
	for merged.Next() {
		if err := ctx.Err(); err != nil {
			return answer{}, err
		}
		if limit > 0 && len(list) == limit {
			notes = notes.Add(errTruncated)
			break
		}
		list = append(list, merged.At().Labels().Copy())
	}
	return answer{data: list, notes: notes}, merged.Err()
}

// described is a family in the metadata.
type described struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// metadata tells what families are.
func (a *api) metadata(_ context.Context, r *http.Request) (answer, error) {
	limit, err := limitOf(r)
	if err != nil {
		return answer{}, err
	}
	metas := a.cfg.Meta()
	all := map[string][]described{}
	for _, name := range slices.Sorted(maps.Keys(metas)) {
		if only := r.Form.Get("metric"); only != "" && only != name {
			continue
		}
		if r.Form.Get("limit") != "" && len(all) >= limit {
			break
		}
		m := metas[name]
		all[name] = []described{{cmp.Or(string(m.Type), "unknown"), m.Help, m.Unit}}
	}
	return answer{data: all}, nil
}

// stat is a name and how many it has.
type stat struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

// status tells what is in memory, and which labels make it.
func (a *api) status(_ context.Context, r *http.Request) (answer, error) {
	limit, err := limitOf(r)
	if err != nil {
		return answer{}, err
	}
	if limit > 10_000 {
		return answer{}, invalid("limit", errors.New("limit must not be greater than 10000"))
	}
	head, chunks, err := a.cfg.Head(cmp.Or(limit, 10))
	if err != nil {
		return answer{}, failure{internal, err}
	}
	return answer{data: statusOf(head, chunks)}, nil
}

func statusOf(head *tsdb.Stats, chunks int64) map[string]any {
	p := head.IndexPostingStats
	return map[string]any{
		"headStats": map[string]any{
			"numSeries": head.NumSeries, "numLabelPairs": p.NumLabelPairs, "chunkCount": chunks, "minTime": head.MinTime, "maxTime": head.MaxTime,
		},
		"seriesCountByMetricName":     stats(p.CardinalityMetricsStats),
		"labelValueCountByLabelName":  stats(p.CardinalityLabelStats),
		"memoryInBytesByLabelName":    stats(p.LabelValueStats),
		"seriesCountByLabelValuePair": stats(p.LabelValuePairsStats),
	}
}

func stats(list []index.Stat) []stat {
	out := make([]stat, 0, len(list))
	for _, s := range list {
		out = append(out, stat{s.Name, s.Count})
	}
	return out
}
