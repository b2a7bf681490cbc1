package store

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"iter"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// Trace implements [signal.Store].
func (s *Store) Trace(ctx context.Context, id signal.TraceID) ([]signal.Span, error) {
	if id.IsZero() {
		return nil, nil
	}
	filter := row.OfSpans(signal.SpanQuery{})
	filter.Trace = id
	var spans []signal.Span
	for sp, err := range s.rows(ctx, row.Spans, &filter) {
		if err != nil {
			return nil, err
		}
		if len(spans) == signal.MostTrace {
			return nil, signal.ErrLarge
		}
		spans = append(spans, *sp)
	}
	slices.SortStableFunc(spans, func(a, b signal.Span) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.Duration, a.Duration), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return spans, nil
}

// Spans implements [signal.Store]. The order is exact over all services.
func (s *Store) Spans(ctx context.Context, q signal.SpanQuery) iter.Seq2[*signal.Span, error] {
	return func(yield func(*signal.Span, error) bool) {
		filter := row.OfSpans(q)
		s.rows(ctx, row.Spans, &filter)(yield)
	}
}

// Logs implements [signal.Store]. The order is exact over all services.
func (s *Store) Logs(ctx context.Context, q signal.LogQuery) iter.Seq2[*signal.Log, error] {
	return func(yield func(*signal.Log, error) bool) {
		filter := row.OfLogs(q)
		for sp, err := range s.rows(ctx, row.Logs, &filter) {
			if err != nil {
				yield(nil, err)
				return
			}
			if l := row.ToLog(sp); !yield(&l, nil) {
				return
			}
		}
	}
}

// rows merges what is in memory and in blocks.
func (s *Store) rows(ctx context.Context, sig row.Signal, filter *row.Filter) iter.Seq2[*signal.Span, error] {
	return func(yield func(*signal.Span, error) bool) {
		all, err := s.sources(sig, filter)
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() {
			for _, src := range all {
				src.close()
			}
		}()
		m := merge{store: s, queue: slices.Clone(all), unique: sig == row.Spans}
		heap.Init(&m.queue)
		for len(m.queue) > 0 {
			sp, err := m.step(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if sp != nil && !yield(sp, nil) {
				return
			}
		}
	}
}

// merge takes from the source whose next row began last.
type merge struct {
	store  *Store
	queue  sources
	unique bool // each span once
	seen   recent
	steps  int
}

// step returns the next row, or none when it had to look for it.
func (m *merge) step(ctx context.Context) (sp *signal.Span, err error) {
	src := m.queue[0]
	if m.steps++; !src.ready() || m.steps%1024 == 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if src.ready() {
		if next := src.take(); !m.unique || m.seen.isNew(next) {
			sp = &next
		}
	} else if err := src.load(); err != nil {
		if err = m.store.setAside(src.file, err); err != nil {
			return nil, err
		}
		src.end()
	}
	if src.ended() {
		heap.Pop(&m.queue)
	} else {
		heap.Fix(&m.queue, 0)
	}
	return sp, nil
}

// sources returns what may have rows that the filter wants, the blocks pinned.
func (s *Store) sources(sig row.Signal, filter *row.Filter) (sources, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	wanted := func(k key) bool { return k.signal == sig && (filter.Service == "" || filter.Service == k.service) }
	var list sources
	for _, h := range s.inMemory() {
		if wanted(h.key) {
			list = append(list, headSource(h, filter))
		}
	}
	for k, blocks := range s.blocks {
		if !wanted(k) {
			continue
		}
		for _, b := range blocks {
			if b.Last >= filter.From && b.First < filter.Until && b.Pin() {
				list = append(list, &source{file: b, filter: filter, bound: b.Last})
			}
		}
	}
	return list, nil
}
