package row

import (
	"encoding/binary"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The rest of a row: name, message, state, events, links, attributes.

func appendRest(b []byte, s *signal.Span) []byte {
	b = appendText(b, s.Name)
	b = appendText(b, s.Message)
	b = appendText(b, s.State)
	b = appendSized(b, len(s.Events) > 0, func(b []byte) []byte { return appendEvents(b, s.Events) })
	b = appendSized(b, len(s.Links) > 0, func(b []byte) []byte { return appendLinks(b, s.Links) })
	return appendAttributes(b, s.Attributes)
}

// appendSized writes what f does as a text whose length takes four bytes more than needed
// at most; nothing but a zero where there is none.
func appendSized(b []byte, some bool, f func([]byte) []byte) []byte {
	if !some {
		return append(b, 0)
	}
	return appendText(b, string(f(nil)))
}

func appendEvents(b []byte, events []signal.Event) []byte {
	b = binary.AppendUvarint(b, uint64(len(events)))
	for i := range events {
		b = binary.LittleEndian.AppendUint64(b, uint64(events[i].Time))
		b = appendText(b, events[i].Name)
		b = appendAttributes(b, events[i].Attributes)
	}
	return b
}

func appendLinks(b []byte, links []signal.Link) []byte {
	b = binary.AppendUvarint(b, uint64(len(links)))
	for i := range links {
		b = append(b, links[i].Trace[:]...)
		b = append(b, links[i].Span[:]...)
		b = appendAttributes(b, links[i].Attributes)
	}
	return b
}

// Events reads the events of Rest.
func Events(b []byte) []signal.Event {
	r := reader{b: b}
	if len(b) == 0 {
		return nil
	}
	var events []signal.Event
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		e := signal.Event{Time: int64(r.u64()), Name: string(r.text()), Attributes: r.attributes()}
		if !r.bad {
			events = append(events, e)
		}
	}
	return events
}

// Links reads the links of Rest.
func Links(b []byte) []signal.Link {
	r := reader{b: b}
	if len(b) == 0 {
		return nil
	}
	var links []signal.Link
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		var l signal.Link
		copy(l.Trace[:], r.take(16))
		copy(l.Span[:], r.take(8))
		if l.Attributes = r.attributes(); !r.bad {
			links = append(links, l)
		}
	}
	return links
}

// Rest is what a row has besides its fixed part. The texts lie in Rows.Data.
type Rest struct {
	Name, Message, State []byte
	Events, Links        []byte // encoded, see [Events] and [Links]

	attributes []byte
}

// Rest takes apart the rest of row i.
func (r *Rows) Rest(i int) Rest {
	f := &r.Fixed[i]
	rd := reader{b: r.Data[f.Off : f.Off+f.Len]}
	return Rest{Name: rd.text(), Message: rd.text(), State: rd.text(), Events: rd.text(), Links: rd.text(), attributes: rd.b}
}

// Attributes iterates over the attributes in their order.
func (r *Rest) Attributes(yield func(Value) bool) { Values(r.attributes)(yield) }

// Values iterates over encoded attributes.
func Values(b []byte) func(func(Value) bool) {
	return func(yield func(Value) bool) {
		r := reader{b: b}
		for n := r.uvarint(); n > 0; n-- {
			if v := r.value(); r.bad || !yield(v) {
				return
			}
		}
	}
}

// appendOrigin writes a scope and a resource: what many rows share.
func appendOrigin(b []byte, scope string, resource signal.Attributes) []byte {
	return appendAttributes(appendText(b, scope), resource)
}

// Origin is where rows come from.
type Origin struct {
	Scope    string
	Resource signal.Attributes
}

// ReadOrigin reads an origin. What it returns may be shared by many spans.
func ReadOrigin(b []byte) Origin {
	r := reader{b: b}
	return Origin{Scope: string(r.text()), Resource: r.attributes()}
}

// Span returns row i as a span of a service. A bare one has no attributes, resource,
// events and links.
func (r *Rows) Span(i int, service string, bare bool) signal.Span {
	s, rest := r.Fixed[i].Span(service), r.Rest(i)
	s.Name, s.Message, s.State = string(rest.Name), string(rest.Message), string(rest.State)
	o := []byte(r.Origins[r.Fixed[i].Origin])
	if bare {
		rd := reader{b: o}
		s.Scope = string(rd.text())
		return s
	}
	origin := ReadOrigin(o)
	s.Scope, s.Resource = origin.Scope, origin.Resource
	s.Events, s.Links = Events(rest.Events), Links(rest.Links)
	rd := reader{b: rest.attributes}
	s.Attributes = rd.attributes()
	return s
}

// Span returns what the fixed part says.
func (r *Row) Span(service string) signal.Span {
	return signal.Span{
		Trace: r.Trace, ID: r.ID, Parent: r.Parent, Service: service, Start: r.Start, Duration: r.Duration,
		Kind: signal.Kind(r.Flags.Kind()), Status: r.Flags.Status(), Remote: r.Flags.Remote(),
	}
}

// OfLog returns a record as the span it is kept as.
func OfLog(l *signal.Log) signal.Span {
	return signal.Span{
		Trace: l.Trace, ID: l.Span, Service: l.Service, Name: l.Body, Kind: signal.Kind(l.Severity), Start: l.Time,
		Attributes: l.Attributes, Resource: l.Resource, Scope: l.Scope,
	}
}

// ToLog is the opposite of OfLog.
func ToLog(s *signal.Span) signal.Log {
	return signal.Log{
		Time: s.Start, Service: s.Service, Severity: signal.Severity(s.Kind), Body: s.Name, Trace: s.Trace, Span: s.ID,
		Attributes: s.Attributes, Resource: s.Resource, Scope: s.Scope,
	}
}
