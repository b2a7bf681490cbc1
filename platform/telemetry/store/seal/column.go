package seal

import (
	"bytes"

	"github.com/cespare/xxhash/v2"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/format"
)

// builder is a column that is being filled.
type builder struct {
	key  string
	typ  signal.Type
	text bool
	find bool // queries look for values: it gets a bloom filter where it has no dictionary

	src    *[]byte  // where texts lie
	refs   []uint64 // of texts offset<<32|length in src, or the numbers themselves
	hashes []uint64
	ends   []int // number of values at the end of each page

	plain   bool // too many different values for a dictionary
	idx     []uint16
	entries []uint64                      // refs of the dictionary
	sums    []uint64                      // their hashes
	table   [2 * format.MaxEntries]uint16 // 1 + entry, by hash, open addressing
}

func (c *builder) reset(key string, typ signal.Type, text, find bool, src *[]byte) {
	c.key, c.typ, c.text, c.find, c.src = key, typ, text, find, src
	c.refs, c.hashes, c.ends = c.refs[:0], c.hashes[:0], c.ends[:0]
	c.plain, c.idx, c.entries, c.sums = false, c.idx[:0], c.entries[:0], c.sums[:0]
	clear(c.table[:])
}

func (c *builder) bytes(ref uint64) []byte {
	off, n := ref>>32, ref&0xffffffff
	return (*c.src)[off : off+n]
}

// add adds a value: a number, or the place of a text.
func (c *builder) add(ref uint64) {
	if n := len(c.refs); n > 0 && c.same(c.refs[n-1], ref) {
		c.refs, c.hashes = append(c.refs, ref), append(c.hashes, c.hashes[n-1])
		if !c.plain {
			c.idx = append(c.idx, c.idx[n-1])
		}
		return
	}
	hash := format.Mix(ref)
	if c.text {
		hash = xxhash.Sum64(c.bytes(ref))
	}
	c.refs, c.hashes = append(c.refs, ref), append(c.hashes, hash)
	if !c.plain {
		c.index(ref, hash)
	}
}

func (c *builder) same(a, b uint64) bool {
	return a == b || c.text && a&0xffffffff == b&0xffffffff && bytes.Equal(c.bytes(a), c.bytes(b))
}

// index finds or makes the dictionary's entry.
func (c *builder) index(ref, hash uint64) {
	at := hash % uint64(len(c.table))
	for ; c.table[at] != 0; at = (at + 1) % uint64(len(c.table)) {
		if e := c.table[at] - 1; c.sums[e] == hash && c.same(c.entries[e], ref) {
			c.idx = append(c.idx, e)
			return
		}
	}
	if len(c.entries) == format.MaxEntries {
		c.plain = true
		return
	}
	e := uint16(len(c.entries))
	c.table[at] = e + 1
	c.entries, c.sums, c.idx = append(c.entries, ref), append(c.sums, hash), append(c.idx, e)
}

// finish decides about the dictionary: it does not pay where most values are different.
func (c *builder) finish() {
	if len(c.entries) > 8 && 2*len(c.entries) > len(c.refs) {
		c.plain = true
	}
}

// page returns the bounds of a page's values.
func (c *builder) page(p int) (from, to int) {
	if p > 0 {
		from = c.ends[p-1]
	}
	return from, c.ends[p]
}

// bloom returns the filter of all values.
func (c *builder) bloom() []byte {
	lines := format.BloomLines(len(c.hashes))
	b := make([]byte, lines*format.BloomLine)
	for i, h := range c.hashes {
		if i == 0 || h != c.hashes[i-1] {
			at := format.BloomAt(h, lines) * format.BloomLine
			format.BloomAdd(b[at:at+format.BloomLine], h)
		}
	}
	return b
}
