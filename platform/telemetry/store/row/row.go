// Package row has the form in which spans and log records wait to be put into blocks,
// in memory and in the log of what was appended: a fixed part without pointers, and
// bytes for the rest. A million of them are no burden for the garbage collector.
//
// A log record is kept as a span: its body as the name, its severity as the kind, its
// time as the start.
package row

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Signal tells spans from log records.
type Signal uint8

// The signals.
const (
	Spans Signal = iota
	Logs
)

// String returns span or log.
func (s Signal) String() string {
	if s == Logs {
		return "log"
	}
	return "span"
}

// Flags of a row: the kind (of logs the severity) in the low byte, then the status in two
// bits, then whether the parent is remote, then whether there is none.
type Flags uint16

const (
	remote Flags = 1 << 10
	root   Flags = 1 << 11
)

// Kind returns the span's kind, or the record's severity.
func (f Flags) Kind() uint8 { return uint8(f & 0xff) }

// Status returns the span's status.
func (f Flags) Status() signal.Status { return signal.Status(f >> 8 & 3) }

// Remote reports whether the span's parent is in another process.
func (f Flags) Remote() bool { return f&remote != 0 }

// Root reports whether the span has no parent.
func (f Flags) Root() bool { return f&root != 0 }

func flagsOf(s *signal.Span) Flags {
	f := Flags(s.Kind) | Flags(s.Status&3)<<8
	if s.Remote {
		f |= remote
	}
	if s.Parent.IsZero() {
		f |= root
	}
	return f
}

// Row is the fixed part.
type Row struct {
	Trace    signal.TraceID
	ID       signal.SpanID
	Parent   signal.SpanID
	Start    int64
	Duration int64
	Origin   uint32 // index of Rows.Origins
	Off, Len uint32 // of the rest, in Rows.Data
	Flags    Flags
}

// Rows are rows of one service and signal. What was appended does not change; so a copy
// of the struct is a snapshot that may be read while others append.
type Rows struct {
	Fixed   []Row
	Data    []byte   // what is after the fixed part, row by row
	Origins []string // resources and scopes, see appendOrigin

	origins map[string]uint32
	held    int64    // bytes of Origins
	local   []uint32 // origins of the section that is being added
}

// Memory returns about how many bytes the rows take.
func (r *Rows) Memory() int64 {
	const rowBytes, originBytes = 64, 64
	return int64(len(r.Fixed))*rowBytes + int64(len(r.Data)) + int64(len(r.Origins))*originBytes + r.held
}

// ErrMalformed is the error of bytes that no section was encoded to.
var ErrMalformed = errors.New("not a section of rows")

// reader takes apart what was encoded. Once something is missing all that follows is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// text returns bytes with their length before them.
func (r *reader) text() []byte { return r.take(r.uvarint()) }

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendAttributes writes a count, and for each its key, type and value.
func appendAttributes(b []byte, as signal.Attributes) []byte {
	b = binary.AppendUvarint(b, uint64(len(as)))
	for i := range as {
		a := &as[i]
		b = append(appendText(b, a.Key), byte(min(a.Value.Type, signal.JSON)))
		if IsText(a.Value.Type) {
			b = appendText(b, a.Value.Text)
		} else {
			b = binary.LittleEndian.AppendUint64(b, canonical(a.Value))
		}
	}
	return b
}

// IsText reports whether a value of the type is kept as text; the others are numbers.
func IsText(t signal.Type) bool { return t != signal.Int && t != signal.Float && t != signal.Bool }

// canonical returns the bits of a number. All that is not a number has the same.
func canonical(v signal.Value) uint64 {
	if v.Type == signal.Float && math.IsNaN(math.Float64frombits(v.Number)) {
		return math.Float64bits(math.NaN())
	}
	if v.Type == signal.Bool {
		return min(v.Number, 1)
	}
	return v.Number
}

// Value is the value of an attribute that is still encoded: Text of texts, Number of others.
type Value struct {
	Key    []byte
	Type   signal.Type
	Text   []byte
	Number uint64
	After  int // bytes that follow the value in the row
}

// Signal returns a copy.
func (v Value) Signal() signal.Value {
	if IsText(v.Type) {
		return signal.Value{Type: v.Type, Text: string(v.Text)}
	}
	return signal.Value{Type: v.Type, Number: v.Number}
}

func (r *reader) value() Value {
	v := Value{Key: r.text(), Type: signal.Type(r.byte())}
	if IsText(v.Type) {
		v.Text = r.text()
	} else {
		v.Number = r.u64()
	}
	v.After = len(r.b)
	return v
}

func (r *reader) attributes() signal.Attributes {
	n := r.uvarint()
	if n == 0 || n > uint64(len(r.b)) {
		r.bad = r.bad || n != 0
		return nil
	}
	as := make(signal.Attributes, 0, n)
	for ; n > 0 && !r.bad; n-- {
		v := r.value()
		as = append(as, signal.Attribute{Key: string(v.Key), Value: v.Signal()})
	}
	return as
}

// AppendValue writes a value as one of [Values].
func AppendValue(b []byte, v Value) []byte {
	b = append(appendText(append(b, 1), string(v.Key)), byte(v.Type))
	if IsText(v.Type) {
		return appendText(b, string(v.Text))
	}
	return binary.LittleEndian.AppendUint64(b, v.Number)
}
