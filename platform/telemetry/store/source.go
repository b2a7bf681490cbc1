package store

import (
	"cmp"
	"hash/maphash"
	"math"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/block"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// source has rows of one service, those that began last first: a block, which is read a
// page at a time and when its turn comes only, or a head as it was when the query began.
type source struct {
	filter *row.Filter
	bound  int64 // no row that is not loaded starts later
	over   bool  // there are none

	spans []signal.Span // loaded, of a block
	file  *block.File
	scan  *block.Scan

	service string // of a head
	rows    row.Rows
	from    int
	wanted  []int // rows, when loaded
}

func headSource(h *head, filter *row.Filter) *source {
	return &source{filter: filter, bound: math.MaxInt64, service: h.service, rows: h.rows, from: h.done}
}

// ready reports whether a row is loaded.
func (s *source) ready() bool { return len(s.spans)+len(s.wanted) > 0 }

func (s *source) ended() bool { return s.over && !s.ready() }

func (s *source) end() { s.over, s.spans, s.wanted = true, nil, nil }

func (s *source) close() {
	if s.file != nil {
		s.file.Unpin()
	}
}

// start returns when the next row began, or that it did not begin later.
func (s *source) start() int64 {
	switch {
	case len(s.spans) > 0:
		return s.spans[0].Start
	case len(s.wanted) > 0:
		return s.rows.Fixed[s.wanted[0]].Start
	}
	return s.bound
}

func (s *source) take() (sp signal.Span) {
	if len(s.spans) > 0 {
		sp, s.spans = s.spans[0], s.spans[1:]
		return sp
	}
	sp = s.rows.Span(s.wanted[0], s.service, s.filter.Bare)
	s.wanted = s.wanted[1:]
	return sp
}

// load loads more rows, perhaps none.
func (s *source) load() (err error) {
	if s.file == nil {
		s.search()
		s.over = true
		return nil
	}
	if s.scan == nil {
		s.scan, err = s.file.Scan(s.filter)
	} else {
		s.spans, err = s.scan.Page(nil)
	}
	if err != nil || s.scan == nil {
		s.over = true
		return err
	}
	bound, more := s.scan.Bound()
	s.bound, s.over = bound, !more
	return nil
}

// search finds the wanted rows of a head.
func (s *source) search() {
	filter := *s.filter
	if filter.Service == "" {
		filter.Service = s.service
	}
	for i := s.from; i < len(s.rows.Fixed); i++ {
		if filter.Fixed(&s.rows.Fixed[i]) && filter.Rest(&s.rows, i) {
			s.wanted = append(s.wanted, i)
		}
	}
	// Of two that began at once the one appended last is first, as in blocks.
	slices.Reverse(s.wanted)
	slices.SortStableFunc(s.wanted, func(a, b int) int { return cmp.Compare(s.rows.Fixed[b].Start, s.rows.Fixed[a].Start) })
}

// sources is a heap.
type sources []*source

func (s *sources) Len() int           { return len(*s) }
func (s *sources) Less(i, j int) bool { return (*s)[i].start() > (*s)[j].start() }
func (s *sources) Swap(i, j int)      { (*s)[i], (*s)[j] = (*s)[j], (*s)[i] }
func (s *sources) Push(x any) {
	if src, ok := x.(*source); ok {
		*s = append(*s, src)
	}
}

func (s *sources) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	*s = (*s)[:last]
	return x
}

// recent knows the spans that a query has returned: the last half million at least.
type recent struct {
	seed     maphash.Seed
	now, old map[uint64]struct{}
}

// isNew reports whether a span was not there before, and notes it.
func (r *recent) isNew(sp signal.Span) bool {
	type id struct {
		trace   signal.TraceID
		span    signal.SpanID
		service string
	}
	if r.now == nil {
		r.seed, r.now = maphash.MakeSeed(), map[uint64]struct{}{}
	}
	h := maphash.Comparable(r.seed, id{sp.Trace, sp.ID, sp.Service})
	_, known := r.now[h]
	if _, before := r.old[h]; known || before {
		return false
	}
	if len(r.now) == 1<<19 {
		r.old, r.now = r.now, map[uint64]struct{}{}
	}
	r.now[h] = struct{}{}
	return true
}
