package block

import (
	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// byText keeps the rows whose name contains the wanted text, or an attribute of which does.
func (s *Scan) byText(sel *selection) error {
	if s.filter.Text == "" {
		return nil
	}
	names, err := s.fixed(format.ColName)
	if err != nil {
		return err
	}
	has, all := make([]bool, s.page.Rows), true
	for i, in := range sel.rows {
		if in {
			has[i] = names.wanted(i, func(v *values, i int) bool { return s.filter.Contains(v.text(i)) })
			all = all && has[i]
		}
	}
	for c := format.ColOverflow; c < len(s.file.Columns) && !all; c++ {
		if err := s.bySaid(c, has); err != nil {
			return err
		}
	}
	sel.keep(func(i int) bool { return has[i] })
	return nil
}

// bySaid notes the rows that have the wanted text in a column.
func (s *Scan) bySaid(c int, has []bool) error {
	said, some := make([]bool, s.file.Columns[c].Counts[s.page.at]), false
	if len(said) == 0 {
		return nil
	}
	v, err := s.values(c)
	if err != nil {
		return err
	}
	for i := range said {
		said[i] = v.wanted(i, s.judgeSaid)
		some = some || said[i]
	}
	if !some {
		return nil
	}
	shapes, err := s.shapes()
	if err != nil {
		return err
	}
	at := 0
	for i, shape := range shapes {
		for _, x := range shape {
			if int(x) == c {
				has[i] = has[i] || said[at]
				at++
			}
		}
	}
	return nil
}

// judgeSaid looks for the wanted text in a value of an attribute, or of the overflow column.
func (s *Scan) judgeSaid(v *values, i int) (found bool) {
	switch {
	case v.c == &s.file.Columns[format.ColOverflow]:
		for one := range row.Values(v.text(i)) {
			found = found || s.filter.Says(one)
		}
		return found
	case v.c.Text:
		return s.filter.Says(row.Value{Key: []byte(v.c.Key), Type: v.c.Type, Text: v.text(i)})
	}
	return s.filter.Says(row.Value{Key: []byte(v.c.Key), Type: v.c.Type, Number: v.number(i)})
}
