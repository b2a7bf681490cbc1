package seal

import (
	"bytes"
	"encoding/binary"

	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// add puts a row into the columns.
func (w *Writer) add(i int, trace uint64) {
	f := &w.rows.Fixed[i]
	before := f.Start
	if c := w.cols[format.ColStart]; len(c.refs)%format.PageRows != 0 {
		before = w.rows.Fixed[w.order[len(c.refs)-1]].Start
	}
	// Numbers that are never the same need no dictionary; so they are not looked for.
	w.cols[format.ColStart].push(uint64(f.Start - before))
	w.cols[format.ColDuration].push(uint64(f.Duration))
	w.cols[format.ColFlags].add(uint64(f.Flags))
	w.cols[format.ColTrace].push(trace)
	w.cols[format.ColOrigin].add(w.oref[f.Origin])
	rest, at := w.rows.Rest(i), int(f.Off)
	text := func(c int, b []byte) {
		at = uvarintBytes(len(b)) + at
		w.cols[c].add(place(at, len(b)))
		at += len(b)
	}
	text(format.ColName, rest.Name)
	text(format.ColMessage, rest.Message)
	text(format.ColState, rest.State)
	text(format.ColEvents, rest.Events)
	text(format.ColLinks, rest.Links)
	w.attributes(&rest, int(f.Off)+int(f.Len))
}

func uvarintBytes(n int) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// attributes puts the attributes of a row into their columns. The row ends at end.
func (w *Writer) attributes(rest *row.Rest, end int) {
	w.scratch = w.scratch[:0]
	k := 0
	for v := range rest.Attributes {
		if k == len(w.guess) {
			w.guess = append(w.guess, format.ColOverflow)
		}
		c := w.guess[k]
		if b := w.cols[c]; c == format.ColOverflow || b.typ != v.Type || b.key != string(v.Key) {
			c = w.columnOf(v)
			w.guess[k] = c
		}
		k++
		w.scratch = binary.LittleEndian.AppendUint16(w.scratch, uint16(c))
		switch b := w.cols[c]; {
		case c == format.ColOverflow:
			from := len(w.over)
			w.over = row.AppendValue(w.over, v)
			b.push(place(from, len(w.over)-from))
		case b.text:
			b.add(place(end-v.After-len(v.Text), len(v.Text)))
		default:
			b.add(v.Number)
		}
	}
	if shapes := w.cols[format.ColShape]; len(shapes.refs) == 0 || !bytes.Equal(w.scratch, w.shape) {
		w.shape = append(w.shape[:0], w.scratch...)
		from := len(w.shapes)
		w.shapes = append(w.shapes, w.shape...)
		shapes.add(place(from, len(w.shape)))
	} else {
		shapes.add(shapes.refs[len(shapes.refs)-1])
	}
}

// columnOf returns the column of an attribute, or the overflow column.
func (w *Writer) columnOf(v row.Value) int {
	if c, ok := w.byKey[v.Type][string(v.Key)]; ok {
		return c
	}
	if len(w.cols) == format.MaxColumns {
		return format.ColOverflow
	}
	var src *[]byte
	if row.IsText(v.Type) {
		src = &w.rows.Data
	}
	key := string(v.Key)
	w.byKey[v.Type][key] = w.column(key, v.Type, true, src)
	return w.byKey[v.Type][key]
}

// push adds a value to a column without a dictionary.
func (c *builder) push(ref uint64) {
	c.plain = true
	c.refs = append(c.refs, ref)
}

// writePages writes the chunks, page by page.
func (w *Writer) writePages(dst []byte, at int, f *format.Footer) []byte {
	f.Columns = make([]format.Column, len(w.cols))
	for i, c := range w.cols {
		c.finish()
		f.Columns[i] = format.Column{Key: c.key, Type: c.typ, Text: c.text, Plain: c.plain, Count: len(c.refs)}
		if !c.plain {
			f.Columns[i].Entries = len(c.entries)
		}
	}
	for p := range w.ended() {
		from, until := w.cols[format.ColFlags].page(p)
		pg := format.Page{Rows: until - from}
		pg.First, pg.Last = w.rows.Fixed[w.order[from]].Start, w.rows.Fixed[w.order[until-1]].Start
		dst, pg.IDs, pg.Foreign = w.writeIDs(dst, at, from, until)
		for i, c := range w.cols {
			from, until := c.page(p)
			start := len(dst)
			dst = w.writeChunk(dst, c, from, until)
			f.Columns[i].Counts = append(f.Columns[i].Counts, until-from)
			f.Columns[i].Chunks = append(f.Columns[i].Chunks, format.RefTo(dst, at, start))
		}
		f.Pages = append(f.Pages, pg)
	}
	return dst
}

func (w *Writer) writeIDs(dst []byte, at, from, until int) (out []byte, ids, foreign format.Ref) {
	w.scratch = w.scratch[:0]
	for i := from; i < until; i++ {
		w.scratch = append(w.scratch, w.rows.Fixed[w.order[i]].ID[:]...)
	}
	start := len(dst)
	dst = w.enc.Bytes(dst, w.scratch)
	ids = format.RefTo(dst, at, start)
	w.scratch = w.scratch[:0]
	for i := from; i < until; i++ {
		if w.cols[format.ColParent].refs[i] == 1 {
			w.scratch = append(w.scratch, w.rows.Fixed[w.order[i]].Parent[:]...)
		}
	}
	start = len(dst)
	dst = w.enc.Bytes(dst, w.scratch)
	return dst, ids, format.RefTo(dst, at, start)
}

// writeChunk writes the values from to until of a column.
func (w *Writer) writeChunk(dst []byte, c *builder, from, until int) []byte {
	if from == until || !c.plain && len(c.entries) == 1 {
		return dst
	}
	w.nums = w.nums[:0]
	switch {
	case !c.plain:
		for _, e := range c.idx[from:until] {
			w.nums = append(w.nums, uint64(e))
		}
	case c.text:
		return w.writeTexts(dst, c, c.refs[from:until])
	default:
		w.nums = append(w.nums, c.refs[from:until]...)
	}
	dst = w.enc.Numbers(dst, w.nums)
	return dst
}

func (w *Writer) writeTexts(dst []byte, c *builder, refs []uint64) []byte {
	w.nums = w.nums[:0]
	for _, r := range refs {
		w.nums = append(w.nums, r&0xffffffff)
	}
	dst = w.enc.Numbers(dst, w.nums)
	w.scratch = w.scratch[:0]
	for _, r := range refs {
		w.scratch = append(w.scratch, c.bytes(r)...)
	}
	return w.enc.Bytes(dst, w.scratch)
}

func (w *Writer) writeDictionaries(dst []byte, at int, f *format.Footer) []byte {
	for i, c := range w.cols {
		start := len(dst)
		switch {
		case !c.plain && c.text && len(c.entries) > 0:
			dst = w.writeTexts(dst, c, c.entries)
			f.Columns[i].Dict = format.RefTo(dst, at, start)
		case !c.plain && len(c.entries) > 0:
			dst = w.enc.Numbers(dst, c.entries)
			f.Columns[i].Dict = format.RefTo(dst, at, start)
		case c.find && len(c.hashes) > 0:
			dst = append(dst, c.bloom()...)
			f.Columns[i].Bloom = format.RefTo(dst, at, start)
		}
	}
	return dst
}

func (w *Writer) writeTraces(dst []byte, at int, f *format.Footer) []byte {
	f.Traces, f.TraceOff = len(w.traces), uint64(len(dst)-at)
	for from := 0; from < len(w.traces); from += format.TraceGroup {
		start := len(dst)
		for _, t := range w.traces[from:min(from+format.TraceGroup, len(w.traces))] {
			dst = append(dst, t[:]...)
		}
		f.Groups = append(f.Groups, format.Group{First: binary.BigEndian.Uint64(w.traces[from][:]), CRC: format.Sum(dst[start:])})
	}
	return dst
}
