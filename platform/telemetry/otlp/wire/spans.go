package wire

import (
	"math"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Spans reads an ExportTraceServiceRequest and calls each with every span of it, which
// each copies if it keeps it; its texts are parts of body. It fails with ErrMalformed,
// possibly after some calls.
func Spans(body string, lim Limits, each func(s *signal.Span, m Meta)) error {
	d := newDecoder(body, lim)
	return d.resources(body, func(res *resource, ss string) error {
		scope, err := d.scope(ss)
		if err != nil {
			return err
		}
		c := over(ss)
		for c.next() {
			if c.key != 2<<3|delimited {
				c.skip()
				continue
			}
			s := signal.Span{Service: res.service, Resource: res.attributes, Scope: scope}
			d.begin()
			m, err := d.span(c.text(), &s)
			if err != nil {
				return err
			}
			m.Repairs |= res.repairs
			each(&s, m)
		}
		return c.err("spans of a scope")
	})
}

// hasRemote and isRemote are the bits of a span's flags that tell whether its parent is
// in another process (OTLP, SpanFlags).
const (
	hasRemote = 0x100
	isRemote  = 0x200
)

func (d *decoder) span(raw string, s *signal.Span) (Meta, error) {
	var m Meta
	var trace, id, parent string
	var start, end uint64
	events, links := 0, 0
	base := len(d.stack)
	c := over(raw)
	for c.next() {
		var err error
		switch c.key {
		case 1<<3 | delimited:
			trace = c.text()
		case 2<<3 | delimited:
			id = c.text()
		case 3<<3 | delimited:
			s.State = c.text()
		case 4<<3 | delimited:
			parent = c.text()
		case 5<<3 | delimited:
			s.Name = c.text()
		case 6<<3 | varint:
			s.Kind = kind(c.varint())
		case 7<<3 | fixed64:
			start = c.fixed64()
		case 8<<3 | fixed64:
			end = c.fixed64()
		case 9<<3 | delimited:
			err = d.attribute(c.text(), base)
		case 11<<3 | delimited:
			err = d.event(c.text(), s, &events)
		case 13<<3 | delimited:
			err = d.link(c.text(), s, &links)
		case 15<<3 | delimited:
			err = d.status(c.text(), s)
		case 16<<3 | fixed32:
			s.Remote = c.fixed32()&(hasRemote|isRemote) == hasRemote|isRemote
		default:
			c.skip()
		}
		if err != nil {
			return m, err
		}
	}
	if err := c.err("a span"); err != nil {
		return m, err
	}
	m.BadID = !ids(&s.Trace, &s.ID, trace, id) || len(parent) != 0 && len(parent) != len(s.Parent)
	copy(s.Parent[:], parent) // all zero means none, too
	s.Name = d.name(s.Name)
	s.Message = d.text(s.Message, d.lim.Value)
	if len(s.State) > maxState { // half of it would say something else
		s.State = ""
		d.repairs |= CutText
	}
	s.State = d.text(s.State, maxState)
	s.Start, m.End = nanos(start), nanos(end)
	s.Duration = m.End - s.Start
	if s.Duration < 0 {
		s.Duration = 0
		d.repairs |= EndFirst
	}
	s.Attributes = d.cut(base)
	m.Size, m.Repairs = d.size+fixed+overhead*(len(s.Attributes)+len(s.Events)+len(s.Links)), d.repairs
	m.Parts = d.parts + len(s.Events) + len(s.Links)
	return m, nil
}

// What an item takes besides its texts, and each attribute, about.
const (
	fixed    = 64
	overhead = 16
)

func kind(v uint64) signal.Kind {
	if v = enum(v); v > uint64(signal.Consumer) {
		return signal.Unspecified
	}
	return signal.Kind(v)
}

// enum brings a varint to the 32 bits that an enum has in protobuf.
func enum(v uint64) uint64 { return v & math.MaxUint32 }

func (d *decoder) status(raw string, s *signal.Span) error {
	c := over(raw)
	for c.next() {
		switch c.key {
		case 2<<3 | delimited:
			s.Message = c.text()
		case 3<<3 | varint:
			s.Status = signal.Unset
			if v := enum(c.varint()); v <= uint64(signal.Error) {
				s.Status = signal.Status(v)
			}
		default:
			c.skip()
		}
	}
	return c.err("a span's status")
}

func (d *decoder) event(raw string, s *signal.Span, seen *int) error {
	*seen++
	size, repairs := d.size, d.repairs
	var e signal.Event
	base := len(d.stack)
	c := over(raw)
	for c.next() {
		var err error
		switch c.key {
		case 1<<3 | fixed64:
			e.Time = nanos(c.fixed64())
		case 2<<3 | delimited:
			e.Name = c.text()
		case 3<<3 | delimited:
			err = d.attribute(c.text(), base)
		default:
			c.skip()
		}
		if err != nil {
			return err
		}
	}
	if err := c.err("an event"); err != nil {
		return err
	}
	if *seen > d.lim.List {
		d.stack = d.stack[:base]
		d.size, d.repairs = size, repairs|CutList
		return nil
	}
	e.Name = d.name(e.Name)
	e.Attributes = d.cut(base)
	d.size += overhead * len(e.Attributes)
	s.Events = append(s.Events, e)
	return nil
}

func (d *decoder) link(raw string, s *signal.Span, seen *int) error {
	*seen++
	size, repairs := d.size, d.repairs
	var l signal.Link
	var trace, span string
	base := len(d.stack)
	c := over(raw)
	for c.next() {
		var err error
		switch c.key {
		case 1<<3 | delimited:
			trace = c.text()
		case 2<<3 | delimited:
			span = c.text()
		case 4<<3 | delimited:
			err = d.attribute(c.text(), base)
		default:
			c.skip()
		}
		if err != nil {
			return err
		}
	}
	if err := c.err("a link"); err != nil {
		return err
	}
	if *seen > d.lim.List || !ids(&l.Trace, &l.Span, trace, span) {
		d.stack = d.stack[:base]
		d.size, d.repairs = size, repairs|BadLink
		if *seen > d.lim.List {
			d.repairs = repairs | CutList
		}
		return nil
	}
	l.Attributes = d.cut(base)
	d.size += overhead * len(l.Attributes)
	s.Links = append(s.Links, l)
	return nil
}

// ids sets both ids and reports whether they name something.
func ids(t *signal.TraceID, s *signal.SpanID, trace, span string) bool {
	if len(trace) != len(t) || len(span) != len(s) {
		return false
	}
	copy(t[:], trace)
	copy(s[:], span)
	return !t.IsZero() && !s.IsZero()
}
