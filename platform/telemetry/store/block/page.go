package block

import (
	"encoding/binary"

	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// values is what a page has of a column: numbers or texts, by a dictionary or not.
type values struct {
	c     *format.Column
	idx   []uint64 // places in the dictionary, or numbers
	plain format.Texts
	dict  *dictionary
}

// dictionary is a column's, read once in a scan.
type dictionary struct {
	texts   format.Texts
	numbers []uint64
	strings []string // of the texts that were asked for
	wanted  []int8   // of entries that were judged: 1 wanted, -1 not
}

// text returns the i-th value.
func (v *values) text(i int) []byte {
	if v.c.Plain {
		return v.plain.At(i)
	}
	return v.dict.texts.At(int(v.entry(i)))
}

// str returns the i-th value as a string that nothing else depends on.
func (v *values) str(i int) string {
	if v.c.Plain {
		return string(v.plain.At(i))
	}
	e := v.entry(i)
	d := v.dict
	if d.strings == nil {
		d.strings = make([]string, d.texts.Len())
	}
	if d.strings[e] == "" {
		d.strings[e] = string(d.texts.At(int(e)))
	}
	return d.strings[e]
}

func (v *values) entry(i int) uint64 {
	if v.idx == nil {
		return 0
	}
	return v.idx[i]
}

func (v *values) number(i int) uint64 {
	if v.c.Plain {
		return v.idx[i]
	}
	return v.dict.numbers[v.entry(i)]
}

// wanted judges the i-th value, of a dictionary each but once.
func (v *values) wanted(i int, judge func(*values, int) bool) bool {
	if v.c.Plain {
		return judge(v, i)
	}
	e := v.entry(i)
	if v.dict.wanted == nil {
		v.dict.wanted = make([]int8, v.c.Entries)
	}
	if v.dict.wanted[e] == 0 {
		v.dict.wanted[e] = -1
		if judge(v, i) {
			v.dict.wanted[e] = 1
		}
	}
	return v.dict.wanted[e] > 0
}

// dictionary reads a column's dictionary; nil where it has none.
func (s *Scan) dictionary(c int) (*dictionary, error) {
	col := &s.file.Columns[c]
	if d := s.dicts[c]; d != nil || col.Plain || col.Entries == 0 {
		return d, nil
	}
	r, err := s.file.read(col.Dict)
	if err != nil {
		return nil, err
	}
	d := &dictionary{}
	if col.Text {
		d.texts = r.Texts(col.Entries)
	} else {
		d.numbers = r.Numbers(col.Entries)
	}
	if err := s.file.done(r); err != nil {
		return nil, err
	}
	s.dicts[c] = d
	return d, nil
}

// current is the page that is being scanned.
type current struct {
	format.Page
	at      int
	columns map[int]*values
	starts  []int64
	shapes  [][]uint16
}

// values reads what the page has of a column.
func (s *Scan) values(c int) (*values, error) {
	if v := s.page.columns[c]; v != nil {
		return v, nil
	}
	col := &s.file.Columns[c]
	v := &values{c: col}
	var err error
	if v.dict, err = s.dictionary(c); err != nil {
		return nil, err
	}
	n := col.Counts[s.page.at]
	if col.Chunks[s.page.at].Size > 0 {
		r, err := s.file.read(col.Chunks[s.page.at])
		if err != nil {
			return nil, err
		}
		if col.Plain && col.Text {
			v.plain = r.Texts(n)
		} else {
			v.idx = r.Numbers(n)
		}
		if err := s.file.done(r); err != nil {
			return nil, err
		}
	} else if n > 0 && col.Plain {
		return nil, s.file.corrupt("a piece of it is missing")
	}
	if !col.Plain {
		for _, e := range v.idx {
			if e >= uint64(col.Entries) {
				return nil, s.file.corrupt("it has a value that is not in its dictionary")
			}
		}
	}
	s.page.columns[c] = v
	return v, nil
}

// fixed is values for a column of which every row has a value.
func (s *Scan) fixed(c int) (*values, error) {
	if s.file.Columns[c].Counts[s.page.at] != s.page.Rows {
		return nil, s.file.corrupt("it has not a value for each row")
	}
	return s.values(c)
}

// starts reads when the rows of the page started.
func (s *Scan) starts() ([]int64, error) {
	if s.page.starts != nil {
		return s.page.starts, nil
	}
	v, err := s.fixed(format.ColStart)
	if err != nil {
		return nil, err
	}
	s.page.starts = make([]int64, s.page.Rows)
	at := s.page.First
	for i := range s.page.starts {
		at += int64(v.number(i))
		s.page.starts[i] = at
	}
	return s.page.starts, nil
}

// shapes reads which columns the attributes of each row are in.
func (s *Scan) shapes() ([][]uint16, error) {
	if s.page.shapes != nil {
		return s.page.shapes, nil
	}
	v, err := s.fixed(format.ColShape)
	if err != nil {
		return nil, err
	}
	list := make([][]uint16, s.page.Rows)
	known := map[uint64][]uint16{}
	used := make([]int, len(s.file.Columns))
	for i := range list {
		if i > 0 && v.idx == nil && !v.c.Plain { // all have the same
			list[i] = list[0]
			continue
		}
		shape, ok := known[v.entry(i)]
		if !ok || v.c.Plain {
			if shape, err = s.shape(v.text(i)); err != nil {
				return nil, err
			}
			known[v.entry(i)] = shape
		}
		list[i] = shape
		for _, c := range shape {
			used[c]++
		}
	}
	times := 1
	if v.idx == nil && !v.c.Plain {
		times = len(list)
	}
	for c, n := range used {
		if c >= format.ColOverflow && n*times != s.file.Columns[c].Counts[s.page.at] {
			return nil, s.file.corrupt("its attributes and their columns differ in number")
		}
	}
	s.page.shapes = list
	return list, nil
}

// shape reads the columns of a row's attributes.
func (s *Scan) shape(b []byte) ([]uint16, error) {
	shape := make([]uint16, len(b)/2)
	for k := range shape {
		if shape[k] = binary.LittleEndian.Uint16(b[2*k:]); int(shape[k]) >= len(s.file.Columns) {
			return nil, s.file.corrupt("it has an attribute in no column")
		}
	}
	return shape, nil
}

func (s *Scan) origin(b []byte) row.Origin {
	o, ok := s.origins[string(b)]
	if !ok {
		o = row.ReadOrigin(b)
		s.origins[string(b)] = o
	}
	return o
}
