package block

import (
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// Scan finds the rows of a block that a filter wants, those that began last first. It is
// not for concurrent use.
type Scan struct {
	file    *File
	filter  *row.Filter
	trace   int // the wanted trace's place, -1: any
	matches []match
	dicts   []*dictionary
	origins map[string]row.Origin
	ids     [][]byte // the groups of trace ids that were needed
	next    int      // the page that is next; then those before it
	page    current
}

// match is an attribute that is wanted and where the block may have it.
type match struct {
	signal.Match

	columns  []candidate
	overflow bool
	origin   bool
	origins  []int8 // of the dictionary: 1 has it, -1 has it not
}

// candidate is a column that has the wanted value, or may have it.
type candidate struct {
	column int
	entry  uint64 // of the dictionary, or the number
}

// Scan begins a scan of a pinned block. It returns nil when no row is wanted, as far as
// can be told cheaply. The service is the caller's business.
func (b *File) Scan(filter *row.Filter) (*Scan, error) {
	if b.Last < filter.From || b.First >= filter.Until || b.MaxDuration < filter.Min || b.MinDuration > filter.Max ||
		filter.Error && !b.Errors || filter.Roots && !b.Roots || b.Severity < filter.Severity ||
		filter.Kinds != 0 && filter.Kinds&b.Kinds == 0 {
		return nil, nil
	}
	s := &Scan{
		file: b, filter: filter, trace: -1, next: len(b.Pages) - 1,
		dicts: make([]*dictionary, len(b.Columns)), origins: map[string]row.Origin{}, ids: make([][]byte, len(b.Groups)),
	}
	var err error
	if !filter.Trace.IsZero() {
		if s.trace, err = b.trace(filter.Trace); err != nil || s.trace < 0 {
			return nil, err
		}
	}
	if ok, err := s.named(); err != nil || !ok {
		return nil, err
	}
	for _, m := range filter.Match {
		if m.Key == row.ServiceName && m.Value == b.Service {
			continue
		}
		found, err := s.find(m)
		if err != nil || len(found.columns) == 0 && !found.overflow && !found.origin {
			return nil, err
		}
		s.matches = append(s.matches, found)
	}
	s.skip()
	if s.next < 0 {
		return nil, nil
	}
	return s, nil
}

// named reports whether a row may have a wanted name.
func (s *Scan) named() (bool, error) {
	d, err := s.dictionary(format.ColName)
	if err != nil || d == nil || s.filter.Name == "" {
		return err == nil, err
	}
	v := values{c: &s.file.Columns[format.ColName], dict: d, idx: make([]uint64, 1)}
	some := false
	for e := range v.c.Entries {
		v.idx[0] = uint64(e)
		some = v.wanted(0, s.judgeName) || some
	}
	return some, nil
}

func (s *Scan) judgeName(v *values, i int) bool { return string(v.text(i)) == s.filter.Name }

// find tells where a wanted attribute may be.
func (s *Scan) find(m signal.Match) (match, error) {
	found := match{Match: m, overflow: s.file.Columns[format.ColOverflow].Count > 0}
	for c := format.ColAttributes; c < len(s.file.Columns); c++ {
		if s.file.Columns[c].Key != m.Key {
			continue
		}
		entry, ok, err := s.candidate(c, m.Value)
		if err != nil {
			return found, err
		}
		if ok {
			found.columns = append(found.columns, candidate{column: c, entry: entry})
		}
	}
	d, err := s.dictionary(format.ColOrigin)
	if err != nil || d == nil {
		found.origin = true
		return found, err
	}
	found.origins = make([]int8, d.texts.Len())
	for e := range found.origins {
		found.origins[e] = -1
		if row.OriginHas(d.texts.At(e), m) {
			found.origins[e], found.origin = 1, true
		}
	}
	return found, nil
}

// candidate tells whether a column may have a value, and as what.
func (s *Scan) candidate(c int, value string) (entry uint64, ok bool, err error) {
	col := &s.file.Columns[c]
	number := uint64(0)
	if !col.Text {
		if number, ok = row.Number(col.Type, value); !ok {
			return 0, false, nil
		}
	}
	if col.Plain {
		hash := format.Mix(number)
		if col.Text {
			hash = xxhash.Sum64String(value)
		}
		ok, err := s.file.bloomHas(col.Bloom, hash)
		return number, ok, err
	}
	d, err := s.dictionary(c)
	if err != nil {
		return 0, false, err
	}
	for e := range col.Entries {
		if col.Text && string(d.texts.At(e)) == value || !col.Text && d.numbers[e] == number {
			return uint64(e), true, nil
		}
	}
	return 0, false, nil
}

// bloomHas reads a line of a filter.
func (b *File) bloomHas(r format.Ref, hash uint64) (bool, error) {
	lines := int(r.Size / format.BloomLine)
	if lines == 0 {
		return true, nil
	}
	line, err := b.raw(r.Off+uint64(format.BloomAt(hash, lines)*format.BloomLine), format.BloomLine)
	return err == nil && format.BloomHas(line, hash), err
}

// skip goes to the next page that has rows within the window.
func (s *Scan) skip() {
	for s.next >= 0 {
		if p := &s.file.Pages[s.next]; p.Last >= s.filter.From && p.First < s.filter.Until {
			return
		}
		s.next--
	}
}

// Bound returns the start that no row of the pages to come is after; false when there are
// no pages to come.
func (s *Scan) Bound() (int64, bool) {
	if s.next < 0 {
		return math.MinInt64, false
	}
	return s.file.Pages[s.next].Last, true
}

// Page adds the wanted rows of the next page to dst, those that began last first. Of two
// that began at once the one appended last is first.
func (s *Scan) Page(dst []signal.Span) ([]signal.Span, error) {
	if s.next < 0 {
		return dst, nil
	}
	s.page = current{Page: s.file.Pages[s.next], at: s.next, columns: map[int]*values{}}
	s.next--
	s.skip()
	sel := selection{rows: make([]bool, s.page.Rows), n: s.page.Rows}
	for i := range sel.rows {
		sel.rows[i] = true
	}
	for _, narrow := range []func(*selection) error{s.byTrace, s.byFixed, s.byName, s.byMatch, s.byText} {
		if err := narrow(&sel); err != nil || sel.n == 0 {
			return dst, err
		}
	}
	return s.collect(dst, &sel)
}
