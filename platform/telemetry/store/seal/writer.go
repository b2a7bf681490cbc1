// Package seal makes blocks of rows; package format has their layout.
package seal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// Writer makes blocks. It is not for concurrent use; it keeps some memory for the next.
type Writer struct {
	enc *format.Encoder

	rows   *row.Rows
	order  []int // rows by start
	cols   []*builder
	free   []*builder
	byKey  [signal.JSON + 1]map[string]int
	guess  []int  // the column of the attribute at each place of the row before
	shape  []byte // of this row
	shapes []byte // all different ones, where consecutive rows differ
	over   []byte // overflow values
	orig   []byte // origins
	oref   []uint64
	traces []signal.TraceID
	nth    []uint64 // of each row, the place of its trace
	ids    map[signal.SpanID]int

	nums    []uint64
	scratch []byte
}

// NewWriter makes a writer.
func NewWriter() (*Writer, error) {
	enc, err := format.NewEncoder()
	if err != nil {
		return nil, err
	}
	w := &Writer{enc: enc, ids: map[signal.SpanID]int{}}
	for i := range w.byKey {
		w.byKey[i] = map[string]int{}
	}
	return w, nil
}

// Build returns the file of rows from to until, at most 65,536. It is valid until the
// next call.
func (w *Writer) Build(dst []byte, rows *row.Rows, from, until int, meta format.Meta) []byte {
	w.reset(rows, from, until)
	f := format.Footer{
		Meta: meta, Rows: until - from, MinDuration: math.MaxInt64,
		First: rows.Fixed[w.order[0]].Start, Last: rows.Fixed[w.order[len(w.order)-1]].Start,
	}
	for i, r := range w.order {
		w.add(r, w.nth[i])
		fixed := &rows.Fixed[r]
		f.MinDuration, f.MaxDuration = min(f.MinDuration, fixed.Duration), max(f.MaxDuration, fixed.Duration)
		f.Kinds |= 1 << (fixed.Flags.Kind() & 63)
		f.Severity = max(f.Severity, fixed.Flags.Kind())
		f.Errors = f.Errors || fixed.Flags.Status() == signal.Error
		f.Roots = f.Roots || fixed.Flags.Root()
		if (i+1)%format.PageRows == 0 || i+1 == len(w.order) {
			w.endPage(i/format.PageRows*format.PageRows, i+1)
		}
	}
	at := len(dst)
	dst = append(dst, format.Magic...)
	dst = w.writePages(dst, at, &f)
	dst = w.writeDictionaries(dst, at, &f)
	dst = w.writeTraces(dst, at, &f)
	foot := len(dst)
	dst = w.enc.Bytes(dst, f.Append(nil))
	crc := format.Sum(dst[foot:])
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(dst)-foot))
	dst = binary.LittleEndian.AppendUint32(dst, crc)
	w.rows = nil
	return append(dst, format.Magic...)
}

func (w *Writer) reset(rows *row.Rows, from, until int) {
	w.rows = rows
	w.order = w.order[:0]
	for i := from; i < until; i++ {
		w.order = append(w.order, i)
	}
	slices.SortStableFunc(w.order, func(a, b int) int { return cmp.Compare(rows.Fixed[a].Start, rows.Fixed[b].Start) })
	w.free, w.cols = append(w.free, w.cols...), w.cols[:0]
	for i := range w.byKey {
		clear(w.byKey[i])
	}
	w.guess, w.shape, w.shapes, w.over = w.guess[:0], w.shape[:0], w.shapes[:0], w.over[:0]
	w.orig, w.oref = w.orig[:0], w.oref[:0]
	for _, o := range rows.Origins {
		w.oref = append(w.oref, place(len(w.orig), len(o)))
		w.orig = append(w.orig, o...)
	}
	for c := range format.ColAttributes {
		switch c {
		case format.ColStart, format.ColDuration, format.ColFlags, format.ColTrace, format.ColParent:
			w.column("", signal.Int, false, nil)
		case format.ColOrigin:
			w.column("", signal.String, false, &w.orig)
		case format.ColShape:
			w.column("", signal.String, false, &w.shapes)
		case format.ColOverflow:
			w.column("", signal.String, false, &w.over)
		default:
			w.column("", signal.String, false, &rows.Data)
		}
	}
	w.number()
}

// number gives each trace its place among the sorted ids.
func (w *Writer) number() {
	n := len(w.order)
	perm := make([]int, n)
	for i := range perm {
		perm[i] = i
	}
	id := func(i int) *signal.TraceID { return &w.rows.Fixed[w.order[i]].Trace }
	slices.SortFunc(perm, func(a, b int) int {
		x, y := id(a), id(b)
		if c := cmp.Compare(binary.BigEndian.Uint64(x[:]), binary.BigEndian.Uint64(y[:])); c != 0 {
			return c
		}
		return bytes.Compare(x[8:], y[8:])
	})
	w.traces = w.traces[:0]
	w.nth = slices.Grow(w.nth[:0], n)[:n]
	for _, i := range perm {
		if t := *id(i); len(w.traces) == 0 || w.traces[len(w.traces)-1] != t {
			w.traces = append(w.traces, t)
		}
		w.nth[i] = uint64(len(w.traces) - 1)
	}
}

func place(off, n int) uint64 { return uint64(off)<<32 | uint64(n) }

// column adds a column and returns its number.
func (w *Writer) column(key string, typ signal.Type, find bool, src *[]byte) int {
	var c *builder
	if n := len(w.free); n > 0 {
		c, w.free = w.free[n-1], w.free[:n-1]
	} else {
		c = &builder{}
	}
	c.reset(key, typ, src != nil, find, src)
	// Pages that ended before the column came have no values of it.
	c.ends = append(c.ends, make([]int, w.ended())...)
	w.cols = append(w.cols, c)
	return len(w.cols) - 1
}

func (w *Writer) ended() int {
	if len(w.cols) == 0 {
		return 0
	}
	return len(w.cols[0].ends)
}

// endPage ends a page of the rows at these places.
func (w *Writer) endPage(from, until int) {
	w.parents(from, until)
	for _, c := range w.cols {
		c.ends = append(c.ends, len(c.refs))
	}
}

// parents fills the column of the parents of a page.
func (w *Writer) parents(from, until int) {
	clear(w.ids)
	for i := from; i < until; i++ {
		w.ids[w.rows.Fixed[w.order[i]].ID] = i
	}
	c := w.cols[format.ColParent]
	for i := from; i < until; i++ {
		f := &w.rows.Fixed[w.order[i]]
		at, near := w.ids[f.Parent]
		switch {
		case f.Parent.IsZero():
			c.add(0)
		case near:
			d := int64(at - i)
			c.add(2 + uint64(d<<1^d>>63))
		default:
			c.add(1)
		}
	}
}
