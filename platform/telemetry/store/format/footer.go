// Package format has the layout of the files in which spans and log records of one service are kept for
// good: immutable, a column for each attribute, in pages of some thousand rows.
//
// A file is
//
//	Magic | pages | dictionaries, bloom filters | trace ids | footer | bytes of the footer u32 | its crc u32 | Magic
//
// Rows are in the order of their start. A page has a chunk of each column, so that what is
// needed of a few rows lies together. Every piece that the footer points to has its CRC.
package format

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// What files are made of.
const (
	Magic     = "MSTRBLK1"
	TailBytes = 4 + 4 + len(Magic) // what is behind the footer

	PageRows   = 2048
	MaxRows    = 1 << 16 // so that a row's number has two bytes
	MaxColumns = 512     // attributes beyond go to the overflow column
	TraceGroup = 256     // trace ids that are read together
	MaxEntries = 1024    // different values that a dictionary has at most
)

// The columns that every block has. Attributes follow.
const (
	ColStart    = iota // number: the difference to the row before, of the first to the page's start
	ColDuration        // number
	ColFlags           // number: row.Flags
	ColTrace           // number: the place among the trace ids
	ColParent          // number: 0 none, 1 the next of the page's foreign ids, else 2 + a zigzag distance in rows
	ColOrigin          // text: see row.ReadOrigin
	ColName            // text
	ColMessage         // text
	ColState           // text
	ColEvents          // text: see row.Events
	ColLinks           // text: see row.Links
	ColShape           // text: the columns of the row's attributes in their order, u16 each
	ColOverflow        // text: a value with its key, see row.Values
	ColAttributes
)

// Mark is how far the rows of a service that were appended are in blocks: all of the
// records before Record, and Rows of it.
type Mark struct {
	Record uint64
	Rows   int
}

// After reports whether m is further than other.
func (m Mark) After(other Mark) bool {
	return m.Record > other.Record || m.Record == other.Record && m.Rows > other.Rows
}

// Meta is what a block is told about itself.
type Meta struct {
	Signal   row.Signal
	Service  string
	Upto     Mark
	Replaces []string // names of files whose rows are in this one
}

// Ref points to a piece of the file.
type Ref struct {
	Off  uint64
	Size uint32
	CRC  uint32
}

// RefTo points to what dst has from start, in a file that begins at the place at.
func RefTo(dst []byte, at, start int) Ref {
	return Ref{Off: uint64(start - at), Size: uint32(len(dst) - start), CRC: Sum(dst[start:])}
}

// Page is some rows.
type Page struct {
	Rows        int
	First, Last int64 // starts
	IDs         Ref
	Foreign     Ref // ids of parents that are not in the page
}

// Column is all values of an attribute, or of what every row has.
type Column struct {
	Key     string
	Type    signal.Type
	Text    bool
	Plain   bool // without a dictionary
	Count   int  // values
	Entries int  // of the dictionary
	Dict    Ref
	Bloom   Ref   // of a plain column; size 0: none
	Chunks  []Ref // one for each page
	Counts  []int // values in each page
}

// Group is some trace ids: the beginning of the first as a number, and their sum.
type Group struct {
	First uint64
	CRC   uint32
}

// Footer is what is known of a block without reading more of it.
type Footer struct {
	Meta

	Rows                     int
	First, Last              int64 // starts
	MinDuration, MaxDuration int64
	Kinds                    uint64 // a bit for each kind there is
	Severity                 uint8  // the highest, of log records
	Errors, Roots            bool   // whether there is one

	Pages    []Page
	Columns  []Column
	Traces   int // how many
	TraceOff uint64
	Groups   []Group
}

// Sum is the checksum of pieces.
func Sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func (r Ref) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(r.Size))
	if r.Size == 0 {
		return b
	}
	return binary.LittleEndian.AppendUint32(binary.AppendUvarint(b, r.Off), r.CRC)
}

func (r *Reader) ref() Ref {
	size := r.uvarint()
	if size == 0 {
		return Ref{}
	}
	if size > MaxChunk {
		r.Fail()
	}
	return Ref{Size: uint32(size), Off: r.uvarint(), CRC: r.u32()}
}

// count reads a number of things that are at least so many bytes each.
func (r *Reader) count(bytes int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/bytes) {
		r.Fail()
		return 0
	}
	return int(n)
}

// number reads a number that is no larger than most.
func (r *Reader) number(most int) int {
	n := r.uvarint()
	if n > uint64(most) {
		r.Fail()
		return 0
	}
	return int(n)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// Append writes the footer.
func (f *Footer) Append(b []byte) []byte {
	le, uv := binary.LittleEndian, binary.AppendUvarint
	str := func(s string) { b = append(uv(b, uint64(len(s))), s...) }
	b = append(b, byte(f.Signal), f.Severity, flag(f.Errors), flag(f.Roots))
	str(f.Service)
	b = uv(uv(b, f.Upto.Record), uint64(f.Upto.Rows))
	b = uv(b, uint64(len(f.Replaces)))
	for _, name := range f.Replaces {
		str(name)
	}
	b = uv(b, uint64(f.Rows))
	for _, v := range []int64{f.First, f.Last, f.MinDuration, f.MaxDuration, int64(f.Kinds)} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = uv(b, uint64(len(f.Pages)))
	for _, p := range f.Pages {
		b = le.AppendUint64(le.AppendUint64(uv(b, uint64(p.Rows)), uint64(p.First)), uint64(p.Last))
		b = p.Foreign.append(p.IDs.append(b))
	}
	b = uv(b, uint64(len(f.Columns)))
	for i := range f.Columns {
		c := &f.Columns[i]
		str(c.Key)
		b = append(b, byte(c.Type), flag(c.Text), flag(c.Plain))
		b = uv(uv(b, uint64(c.Count)), uint64(c.Entries))
		b = c.Bloom.append(c.Dict.append(b))
		for p := range f.Pages {
			b = c.Chunks[p].append(uv(b, uint64(c.Counts[p])))
		}
	}
	b = uv(uv(b, uint64(f.Traces)), f.TraceOff)
	for _, g := range f.Groups {
		b = le.AppendUint32(le.AppendUint64(b, g.First), g.CRC)
	}
	return b
}

// Footer reads a footer.
func (r *Reader) Footer() (f Footer) {
	if head := r.take(4); head != nil {
		f.Signal, f.Severity, f.Errors, f.Roots = row.Signal(head[0]), head[1], head[2] != 0, head[3] != 0
	}
	f.Service = r.text()
	f.Upto = Mark{Record: r.uvarint(), Rows: r.number(math.MaxInt32)}
	for range r.count(1) {
		f.Replaces = append(f.Replaces, r.text())
	}
	f.Rows = r.number(MaxRows)
	f.First, f.Last = int64(r.u64()), int64(r.u64())
	f.MinDuration, f.MaxDuration, f.Kinds = int64(r.u64()), int64(r.u64()), r.u64()
	rows := 0
	f.Pages = make([]Page, r.count(17))
	for i := range f.Pages {
		f.Pages[i] = Page{Rows: r.number(PageRows), First: int64(r.u64()), Last: int64(r.u64()), IDs: r.ref(), Foreign: r.ref()}
		rows += f.Pages[i].Rows
	}
	f.Columns = make([]Column, r.count(8))
	for i := range f.Columns {
		f.Columns[i] = r.column(len(f.Pages))
	}
	f.Traces, f.TraceOff = r.number(MaxRows), r.uvarint()
	f.Groups = make([]Group, (f.Traces+TraceGroup-1)/TraceGroup)
	for i := range f.Groups {
		f.Groups[i] = Group{First: r.u64(), CRC: r.u32()}
	}
	if rows != f.Rows || f.Rows == 0 || len(f.Columns) < ColAttributes {
		r.Fail()
	}
	for i := range f.Columns {
		if !f.Columns[i].sensible(i) {
			r.Fail()
		}
	}
	return f
}

// sensible reports whether what is said of column i fits together, so that readers need
// not ask.
func (c *Column) sensible(i int) bool {
	values := 0
	for _, n := range c.Counts {
		values += n
	}
	text := row.IsText(c.Type)
	if i < ColAttributes {
		text = i >= ColOrigin
	}
	return values == c.Count && c.Text == text && (c.Plain || c.Count == 0 || c.Entries > 0 && c.Dict.Size > 0)
}

func (r *Reader) column(pages int) Column {
	c := Column{Key: r.text()}
	if head := r.take(3); head != nil {
		c.Type, c.Text, c.Plain = signal.Type(head[0]), head[1] != 0, head[2] != 0
	}
	c.Count, c.Entries = r.number(math.MaxInt32), r.number(MaxEntries)
	c.Dict, c.Bloom = r.ref(), r.ref()
	c.Chunks, c.Counts = make([]Ref, pages), make([]int, pages)
	for p := range pages {
		c.Counts[p], c.Chunks[p] = r.number(math.MaxInt32), r.ref()
	}
	return c
}
