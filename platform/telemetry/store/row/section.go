package row

import (
	"encoding/binary"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// A section is what one batch has of one service and signal:
//
//	signal byte, service text, bytes of the rows u32, rows u32, the rows, origins uvarint, the origins
//
// and a row is its trace, id, parent, start u64, duration u64, flags u16, origin u32,
// bytes of the rest u32, the rest.

const fixedBytes = 16 + 8 + 8 + 8 + 8 + 2 + 4 + 4

// Encoder writes sections. It is not for concurrent use.
type Encoder struct {
	origins []string
	last    struct { // the origin of the row before: most often that of the next, too
		scope    string
		resource *signal.Attribute
		n        int
	}
	scratch []byte
}

// Append writes the section of n rows; row returns each of them. More than 4 GiB must not
// be asked for.
func (e *Encoder) Append(b []byte, sig Signal, service string, n int, row func(int) *signal.Span) []byte {
	e.origins = e.origins[:0]
	b = appendText(append(b, byte(sig)), service)
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	for i := range n {
		b = e.row(b, row(i))
	}
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-8))
	b = binary.AppendUvarint(b, uint64(len(e.origins)))
	for _, o := range e.origins {
		b = appendText(b, o)
	}
	return b
}

func (e *Encoder) row(b []byte, s *signal.Span) []byte {
	le := binary.LittleEndian
	b = append(b, s.Trace[:]...)
	b = append(b, s.ID[:]...)
	b = append(b, s.Parent[:]...)
	b = le.AppendUint64(b, uint64(s.Start))
	b = le.AppendUint64(b, uint64(max(s.Duration, 0)))
	b = le.AppendUint16(b, uint16(flagsOf(s)))
	b = le.AppendUint32(b, e.origin(s))
	at := len(b)
	b = appendRest(le.AppendUint32(b, 0), s)
	le.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

func (e *Encoder) origin(s *signal.Span) uint32 {
	var first *signal.Attribute
	if len(s.Resource) > 0 {
		first = &s.Resource[0]
	}
	if n := len(e.origins); n > 0 && e.last.resource == first && e.last.n == len(s.Resource) && e.last.scope == s.Scope {
		return uint32(n - 1)
	}
	e.last.scope, e.last.resource, e.last.n = s.Scope, first, len(s.Resource)
	e.scratch = appendOrigin(e.scratch[:0], s.Scope, s.Resource)
	if n := len(e.origins); n == 0 || e.origins[n-1] != string(e.scratch) {
		e.origins = append(e.origins, string(e.scratch))
	}
	return uint32(len(e.origins) - 1)
}

// Section is a section, taken apart as far as to know whose it is.
type Section struct {
	Signal  Signal
	Service string
	Len     int // rows

	rows, origins []byte
}

// Next takes the first section off b.
func Next(b []byte) (s Section, rest []byte, err error) {
	r := reader{b: b}
	s.Signal, s.Service = Signal(r.byte()), string(r.text())
	size, n := r.u32(), r.u32()
	s.rows, s.Len = r.take(uint64(size)), int(n)
	s.origins = r.b
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		r.text()
	}
	if r.bad || s.Signal > Logs || uint64(s.Len)*fixedBytes > uint64(size) {
		return s, nil, ErrMalformed
	}
	return s, r.b, nil
}

// Add adds the rows of a section but the first few. It fails with ErrMalformed, having
// added those before the fault.
func (r *Rows) Add(s Section, but int) error {
	if r.origins == nil {
		r.origins = map[string]uint32{}
	}
	r.local = r.local[:0]
	rd := reader{b: s.origins}
	for n := rd.uvarint(); n > 0 && !rd.bad; n-- {
		o := rd.text()
		k, ok := r.origins[string(o)]
		if !ok {
			k = uint32(len(r.Origins))
			r.Origins = append(r.Origins, string(o))
			r.held += int64(len(o))
			r.origins[r.Origins[k]] = k
		}
		r.local = append(r.local, k)
	}
	r.grow(s.Len, len(s.rows))
	rd = reader{b: s.rows}
	for i := range s.Len {
		f := rd.take(fixedBytes)
		if f == nil {
			return ErrMalformed
		}
		le := binary.LittleEndian
		origin, size := le.Uint32(f[50:]), le.Uint32(f[54:])
		rest := rd.take(uint64(size))
		if rd.bad || int(origin) >= len(r.local) {
			return ErrMalformed
		}
		if i < but {
			continue
		}
		r.Fixed = append(r.Fixed, Row{
			Trace: signal.TraceID(f[:16]), ID: signal.SpanID(f[16:24]), Parent: signal.SpanID(f[24:32]),
			Start: int64(le.Uint64(f[32:])), Duration: int64(le.Uint64(f[40:])), Flags: Flags(le.Uint16(f[48:])),
			Origin: r.local[origin], Off: uint32(len(r.Data)), Len: size,
		})
		r.Data = append(r.Data, rest...)
	}
	return nil
}

// grow makes room for so many rows and bytes. It doubles what there is: growing by a
// quarter, as append does, copies everything five times.
func (r *Rows) grow(rows, bytes int) {
	if cap(r.Fixed)-len(r.Fixed) < rows {
		r.Fixed = slices.Grow(r.Fixed, max(rows, len(r.Fixed)))
	}
	if cap(r.Data)-len(r.Data) < bytes {
		r.Data = slices.Grow(r.Data, max(bytes, len(r.Data)))
	}
}
