package query_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// memory is a store that does what a test wants to provoke.
type memory struct {
	mu    sync.Mutex
	spans []signal.Span
	logs  []signal.Log
	fail  error         // what all answers end with
	slow  chan struct{} // what reading waits for, or its context
}

func (m *memory) Append(_ context.Context, b signal.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spans, m.logs = append(m.spans, b.Spans...), append(m.logs, b.Logs...)
	return nil
}

func (m *memory) wait(ctx context.Context) error {
	if m.slow != nil {
		select {
		case <-m.slow:
		case <-ctx.Done():
		}
	}
	return cmp.Or(m.fail, ctx.Err())
}

func (m *memory) Trace(ctx context.Context, id signal.TraceID) ([]signal.Span, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(m.spans), func(s signal.Span) bool { return s.Trace != id })
	slices.SortStableFunc(list, func(a, b signal.Span) int { return cmp.Compare(a.Start, b.Start) })
	return list, cmp.Or(m.fail, ctx.Err())
}

func (m *memory) Spans(ctx context.Context, q signal.SpanQuery) iter.Seq2[*signal.Span, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.spans)
	slices.SortStableFunc(list, func(a, b signal.Span) int { return cmp.Compare(b.Start, a.Start) })
	return func(yield func(*signal.Span, error) bool) {
		for i := range list {
			s := &list[i]
			if !q.Contains(s.Start) || q.Service != "" && s.Service != q.Service || q.Name != "" && s.Name != q.Name ||
				q.Roots && !s.Parent.IsZero() || q.Error && s.Status != signal.Error || len(q.Kinds) > 0 && !slices.Contains(q.Kinds, s.Kind) ||
				s.Duration < int64(q.Min) || q.Max > 0 && s.Duration > int64(q.Max) || !matches(q.Match, s.Attributes, s.Resource) {
				continue
			}
			if !yield(s, nil) {
				return
			}
		}
		if err := m.wait(ctx); err != nil {
			yield(nil, err)
		}
	}
}

func (m *memory) Logs(ctx context.Context, q signal.LogQuery) iter.Seq2[*signal.Log, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.logs)
	slices.SortStableFunc(list, func(a, b signal.Log) int { return cmp.Compare(b.Time, a.Time) })
	return func(yield func(*signal.Log, error) bool) {
		for i := range list {
			l := &list[i]
			if !q.Contains(l.Time) || q.Service != "" && l.Service != q.Service || l.Severity < q.Severity || !q.Trace.IsZero() && l.Trace != q.Trace ||
				!l.Says(strings.ToLower(q.Text)) || !matches(q.Match, l.Attributes, l.Resource) {
				continue
			}
			if !yield(l, nil) {
				return
			}
		}
		if err := m.wait(ctx); err != nil {
			yield(nil, err)
		}
	}
}

func matches(wanted []signal.Match, lists ...signal.Attributes) bool {
	return !slices.ContainsFunc(wanted, func(w signal.Match) bool { return slices.Concat(lists...).Text(w.Key) != w.Value })
}

func (m *memory) Usage() []signal.Usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []signal.Usage
	for _, s := range m.spans {
		if !slices.ContainsFunc(list, func(u signal.Usage) bool { return u.Service == s.Service }) {
			list = append(list, signal.Usage{Service: s.Service})
		}
	}
	return list
}

func traceID(n uint64) (id signal.TraceID) { binary.BigEndian.PutUint64(id[8:], n); return id }
func spanID(n uint64) (id signal.SpanID)   { binary.BigEndian.PutUint64(id[:], n); return id }

// text makes attributes of texts.
func text(pairs ...string) signal.Attributes {
	list := signal.Attributes{}
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, signal.Attribute{Key: pairs[i], Value: signal.StringValue(pairs[i+1])})
	}
	return list
}

// order is a trace of three spans that began some time before noon; n names it.
func order(n uint64, before, took time.Duration) []signal.Span {
	start := noon.Add(-before).UnixNano()
	return []signal.Span{
		{Trace: traceID(n), ID: spanID(1), Service: "edge", Name: "POST /v1/orders", Kind: signal.Server, Start: start, Duration: int64(took)},
		{Trace: traceID(n), ID: spanID(2), Parent: spanID(1), Service: "edge", Name: "POST", Kind: signal.Client, Start: start + 1e6, Duration: int64(took) - 2e6},
		{
			Trace: traceID(n), ID: spanID(3), Parent: spanID(2), Service: "orders", Name: "POST /v1/orders", Kind: signal.Server, Status: signal.Error, Message: "sold out",
			Start: start + 2e6, Duration: int64(took) - 4e6, Attributes: text("user.id", "7"), Resource: text("service.instance.id", "orders-1"),
			Events: []signal.Event{{Time: start + 3e6, Name: "exception", Attributes: text("exception.message", "sold out")}},
		},
	}
}
