package block

import (
	"slices"

	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// selection is the rows of a page that are wanted as far as is known.
type selection struct {
	rows []bool
	n    int
}

// keep leaves out those rows that f does not want.
func (sel *selection) keep(f func(i int) bool) {
	for i, in := range sel.rows {
		if in && !f(i) {
			sel.rows[i] = false
			sel.n--
		}
	}
}

func (s *Scan) byTrace(sel *selection) error {
	if s.trace < 0 {
		return nil
	}
	v, err := s.fixed(format.ColTrace)
	if err == nil {
		sel.keep(func(i int) bool { return v.number(i) == uint64(s.trace) })
	}
	return err
}

// byFixed looks at what must be looked at only.
func (s *Scan) byFixed(sel *selection) error {
	f := s.filter
	if s.page.First < f.From || s.page.Last >= f.Until {
		starts, err := s.starts()
		if err != nil {
			return err
		}
		sel.keep(func(i int) bool { return starts[i] >= f.From && starts[i] < f.Until })
	}
	if s.file.MinDuration < f.Min || s.file.MaxDuration > f.Max {
		v, err := s.fixed(format.ColDuration)
		if err != nil {
			return err
		}
		sel.keep(func(i int) bool { d := int64(v.number(i)); return d >= f.Min && d <= f.Max })
	}
	if f.Kinds != 0 || f.Severity > 0 || f.Roots || f.Error {
		v, err := s.fixed(format.ColFlags)
		if err != nil {
			return err
		}
		sel.keep(func(i int) bool { return f.Flags(row.Flags(v.number(i))) })
	}
	return nil
}

func (s *Scan) byName(sel *selection) error {
	if s.filter.Name == "" {
		return nil
	}
	v, err := s.fixed(format.ColName)
	if err == nil {
		sel.keep(func(i int) bool { return v.wanted(i, s.judgeName) })
	}
	return err
}

func (s *Scan) byMatch(sel *selection) error {
	for i := range s.matches {
		m := &s.matches[i]
		has := make([]bool, s.page.Rows)
		if err := s.byOrigin(m, has); err != nil {
			return err
		}
		for _, c := range m.columns {
			if err := s.byColumn(m, c, has); err != nil {
				return err
			}
		}
		if m.overflow {
			if err := s.byColumn(m, candidate{column: format.ColOverflow}, has); err != nil {
				return err
			}
		}
		if sel.keep(func(i int) bool { return has[i] }); sel.n == 0 {
			return nil
		}
	}
	return nil
}

// byOrigin notes the rows whose resource has a wanted attribute.
func (s *Scan) byOrigin(m *match, has []bool) error {
	if !m.origin {
		return nil
	}
	v, err := s.fixed(format.ColOrigin)
	if err != nil {
		return err
	}
	for i := range has {
		if v.c.Plain {
			has[i] = row.OriginHas(v.text(i), m.Match)
		} else {
			has[i] = m.origins[v.entry(i)] > 0
		}
	}
	return nil
}

// byColumn notes the rows that have a wanted value in a column.
func (s *Scan) byColumn(m *match, c candidate, has []bool) error {
	if s.file.Columns[c.column].Counts[s.page.at] == 0 {
		return nil
	}
	v, err := s.values(c.column)
	if err != nil {
		return err
	}
	is := func(i int) bool { return v.entry(i) == c.entry }
	switch {
	case c.column == format.ColOverflow:
		is = func(i int) bool { return overflowHas(v.text(i), m) }
	case v.c.Plain && v.c.Text && !v.plain.Contain(m.Value):
		return nil // which spares to look at each
	case v.c.Plain && v.c.Text:
		is = func(i int) bool { return string(v.text(i)) == m.Value }
	case v.idx != nil && !slices.Contains(v.idx, c.entry):
		return nil
	}
	shapes, err := s.shapes()
	if err != nil {
		return err
	}
	at := 0
	for i, shape := range shapes {
		for _, x := range shape {
			if int(x) == c.column {
				has[i] = has[i] || is(at)
				at++
			}
		}
	}
	return nil
}

func overflowHas(b []byte, m *match) (found bool) {
	for v := range row.Values(b) {
		found = found || string(v.Key) == m.Key && v.Is(m.Value)
	}
	return found
}
