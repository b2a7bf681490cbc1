package block

import (
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// collect puts the selected rows of the page together.
func (s *Scan) collect(dst []signal.Span, sel *selection) ([]signal.Span, error) {
	from := len(dst)
	dst = slices.Grow(dst, sel.n)
	for i, in := range sel.rows {
		if in {
			dst = append(dst, signal.Span{Service: s.file.Service, Start: int64(i)}) // the row's number, until times
		}
	}
	spans := dst[from:]
	steps := []func([]signal.Span) error{s.addIDs, s.addTraces, s.addTexts, s.addOrigins, s.addAttributes, s.addTimes}
	for _, step := range steps {
		if err := step(spans); err != nil {
			return dst[:from], err
		}
	}
	slices.Reverse(spans)
	return dst, nil
}

func (s *Scan) bytes(r format.Ref, n int) ([]byte, error) {
	rd, err := s.file.read(r)
	if err != nil {
		return nil, err
	}
	b := rd.Bytes()
	if len(b) != n {
		rd.Fail()
	}
	return b, s.file.done(rd)
}

// addIDs adds the ids of the spans and of their parents.
func (s *Scan) addIDs(spans []signal.Span) error {
	ids, err := s.bytes(s.page.IDs, 8*s.page.Rows)
	if err != nil {
		return err
	}
	parents, err := s.fixed(format.ColParent)
	if err != nil {
		return err
	}
	others, err := s.foreign(parents)
	if err != nil {
		return err
	}
	foreign := 0 // number of them in the rows before
	for k, i := 0, 0; k < len(spans); i++ {
		code := parents.number(i)
		if int64(i) == spans[k].Start {
			spans[k].ID = signal.SpanID(ids[8*i:])
			switch {
			case code == 1:
				spans[k].Parent = signal.SpanID(others[8*foreign:])
			case code > 1:
				d := code - 2
				j := int64(i) + (int64(d>>1) ^ -int64(d&1))
				if j < 0 || j >= int64(s.page.Rows) {
					return s.file.corrupt("it has a parent in no row")
				}
				spans[k].Parent = signal.SpanID(ids[8*j:])
			}
			k++
		}
		if code == 1 {
			foreign++
		}
	}
	return nil
}

// foreign reads the ids of the parents that are not in the page.
func (s *Scan) foreign(parents *values) ([]byte, error) {
	n := 0
	for i := range s.page.Rows {
		if parents.number(i) == 1 {
			n++
		}
	}
	return s.bytes(s.page.Foreign, 8*n)
}

func (s *Scan) addTraces(spans []signal.Span) error {
	if s.trace >= 0 {
		for k := range spans {
			spans[k].Trace = s.filter.Trace
		}
		return nil
	}
	v, err := s.fixed(format.ColTrace)
	if err != nil {
		return err
	}
	for k := range spans {
		n := v.number(int(spans[k].Start))
		if n >= uint64(s.file.Traces) {
			return s.file.corrupt("it has a row of no trace")
		}
		g := int(n) / format.TraceGroup
		if s.ids[g] == nil {
			if s.ids[g], err = s.file.traceIDs(g); err != nil {
				return err
			}
		}
		copy(spans[k].Trace[:], s.ids[g][16*(n%format.TraceGroup):])
	}
	return nil
}

func (s *Scan) addTexts(spans []signal.Span) error {
	set := func(c int, to func(*signal.Span) *string) error {
		v, err := s.fixed(c)
		for k := 0; err == nil && k < len(spans); k++ {
			*to(&spans[k]) = v.str(int(spans[k].Start))
		}
		return err
	}
	if err := set(format.ColName, func(sp *signal.Span) *string { return &sp.Name }); err != nil {
		return err
	}
	if err := set(format.ColMessage, func(sp *signal.Span) *string { return &sp.Message }); err != nil {
		return err
	}
	if err := set(format.ColState, func(sp *signal.Span) *string { return &sp.State }); err != nil || s.filter.Bare {
		return err
	}
	events, err := s.fixed(format.ColEvents)
	if err != nil {
		return err
	}
	links, err := s.fixed(format.ColLinks)
	for k := 0; err == nil && k < len(spans); k++ {
		spans[k].Events = row.Events(events.text(int(spans[k].Start)))
		spans[k].Links = row.Links(links.text(int(spans[k].Start)))
	}
	return err
}

func (s *Scan) addOrigins(spans []signal.Span) error {
	v, err := s.fixed(format.ColOrigin)
	for k := 0; err == nil && k < len(spans); k++ {
		o := s.origin(v.text(int(spans[k].Start)))
		spans[k].Scope = o.Scope
		if !s.filter.Bare {
			spans[k].Resource = o.Resource
		}
	}
	return err
}

func (s *Scan) addAttributes(spans []signal.Span) error {
	if s.filter.Bare {
		return nil
	}
	shapes, err := s.shapes()
	if err != nil {
		return err
	}
	next := make([]int, len(s.file.Columns)) // the value of each column that is next
	for k, i := 0, 0; k < len(spans); i++ {
		if int64(i) != spans[k].Start {
			for _, c := range shapes[i] {
				next[c]++
			}
			continue
		}
		if n := len(shapes[i]); n > 0 {
			spans[k].Attributes = make(signal.Attributes, 0, n)
		}
		for _, c := range shapes[i] {
			a, err := s.attribute(int(c), next[c])
			if err != nil {
				return err
			}
			next[c]++
			spans[k].Attributes = append(spans[k].Attributes, a)
		}
		k++
	}
	return nil
}

// attribute returns the i-th value that the page has of a column.
func (s *Scan) attribute(c, i int) (signal.Attribute, error) {
	v, err := s.values(c)
	if err != nil {
		return signal.Attribute{}, err
	}
	switch {
	case c < format.ColOverflow:
		return signal.Attribute{}, s.file.corrupt("it has an attribute in no column")
	case c == format.ColOverflow:
		for a := range row.Values(v.text(i)) {
			return signal.Attribute{Key: string(a.Key), Value: a.Signal()}, nil
		}
		return signal.Attribute{}, s.file.corrupt("it has an attribute without a name")
	case v.c.Text:
		return signal.Attribute{Key: v.c.Key, Value: signal.Value{Type: v.c.Type, Text: v.str(i)}}, nil
	}
	return signal.Attribute{Key: v.c.Key, Value: signal.Value{Type: v.c.Type, Number: v.number(i)}}, nil
}

// addTimes comes last, as the rows' numbers go.
func (s *Scan) addTimes(spans []signal.Span) error {
	starts, err := s.starts()
	if err != nil {
		return err
	}
	durations, err := s.fixed(format.ColDuration)
	if err != nil {
		return err
	}
	flags, err := s.fixed(format.ColFlags)
	if err != nil {
		return err
	}
	for k := range spans {
		sp, i := &spans[k], int(spans[k].Start)
		sp.Start, sp.Duration = starts[i], int64(durations.number(i))
		f := row.Flags(flags.number(i))
		sp.Kind, sp.Status, sp.Remote = signal.Kind(f.Kind()), f.Status(), f.Remote()
	}
	return nil
}
