package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/klauspost/compress/zstd"
)

// A chunk is what a page has of a column. Three things are written in it:
//
//	bytes:   length<<1 | compressed uvarint, if compressed: compressed length uvarint, the bytes
//	numbers: the smallest uvarint, width 0-8, then for each byte of the differences from
//	         the smallest, low bytes first, the bytes of all numbers
//	texts:   the lengths as numbers, the texts together as bytes

// ErrCorrupt is the error of a block that is damaged.
var ErrCorrupt = errors.New("the block is damaged")

// MaxChunk is how large a part of a block may be, uncompressed.
const MaxChunk = 1 << 30

// Encoder writes chunks. It is not for concurrent use.
type Encoder struct {
	enc     *zstd.Encoder
	scratch []byte
}

// NewEncoder makes an encoder.
func NewEncoder() (*Encoder, error) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true), zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		return nil, fmt.Errorf("start the zstd encoder: %w", err)
	}
	return &Encoder{enc: e}, nil
}

// Bytes writes bytes, compressed where that makes them fewer.
func (c *Encoder) Bytes(dst, b []byte) []byte {
	if len(b) >= 32 {
		at := len(dst)
		dst = binary.AppendUvarint(dst, uint64(len(b))<<1|1)
		// The compressed length stands before what it is known of only afterwards.
		const room = 4
		from := len(dst) + room
		dst = c.enc.EncodeAll(b, append(dst, 0, 0, 0, 0))
		if n := len(dst) - from; n+room < len(b) {
			binary.LittleEndian.PutUint32(dst[from-room:], uint32(n))
			return dst
		}
		dst = dst[:at]
	}
	return append(binary.AppendUvarint(dst, uint64(len(b))<<1), b...)
}

// Numbers writes numbers.
func (c *Encoder) Numbers(dst []byte, vs []uint64) []byte {
	if len(vs) == 0 {
		return dst
	}
	low, high := vs[0], vs[0]
	for _, v := range vs[1:] {
		low, high = min(low, v), max(high, v)
	}
	width := (bits.Len64(high-low) + 7) / 8
	dst = append(binary.AppendUvarint(dst, low), byte(width))
	for k := range width {
		c.scratch = c.scratch[:0]
		for _, v := range vs {
			c.scratch = append(c.scratch, byte((v-low)>>(8*k)))
		}
		dst = c.Bytes(dst, c.scratch)
	}
	return dst
}

// Reader takes a chunk apart. Once something is missing all that follows is empty.
type Reader struct {
	b   []byte
	dec *zstd.Decoder
	bad bool
}

// Fail makes the reader bad.
func (r *Reader) Fail() { r.bad, r.b = true, nil }

// NewReader reads b.
func NewReader(b []byte, dec *zstd.Decoder) *Reader { return &Reader{b: b, dec: dec} }

// Bad reports whether something was missing.
func (r *Reader) Bad() bool { return r.bad }

func (r *Reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.Fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *Reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *Reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *Reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *Reader) text() string { return string(r.take(r.uvarint())) }

// Bytes reads what the encoder's Bytes wrote. Where it was not compressed the result is a part of
// what is read.
func (r *Reader) Bytes() []byte {
	n := r.uvarint()
	if n&1 == 0 {
		return r.take(n >> 1)
	}
	n >>= 1
	packed := r.take(uint64(r.u32()))
	if r.bad || n > MaxChunk {
		r.Fail()
		return nil
	}
	b, err := r.dec.DecodeAll(packed, make([]byte, 0, n))
	if err != nil || uint64(len(b)) != n {
		r.Fail()
		return nil
	}
	return b
}

// Numbers reads n numbers.
func (r *Reader) Numbers(n int) []uint64 {
	if n == 0 {
		return nil
	}
	low, width := r.uvarint(), r.take(1)
	if r.bad || width[0] > 8 || n > MaxRows*MaxColumns {
		r.Fail()
		return nil
	}
	vs := make([]uint64, n)
	for k := range int(width[0]) {
		plane := r.Bytes()
		if len(plane) != n {
			r.Fail()
			return nil
		}
		if k == 0 {
			for i, b := range plane {
				vs[i] = low + uint64(b)
			}
			continue
		}
		for i, b := range plane {
			vs[i] += uint64(b) << (8 * k)
		}
	}
	if width[0] == 0 {
		for i := range vs {
			vs[i] = low
		}
	}
	return vs
}

// Texts is many texts in one.
type Texts struct {
	ends []uint64
	data []byte
}

// Len returns how many there are.
func (t *Texts) Len() int { return len(t.ends) }

// At returns a text.
func (t *Texts) At(i int) []byte {
	from := uint64(0)
	if i > 0 {
		from = t.ends[i-1]
	}
	return t.data[from:t.ends[i]:t.ends[i]]
}

// Contain reports whether the text is in one of them, or where two meet.
func (t *Texts) Contain(text string) bool { return bytes.Contains(t.data, []byte(text)) }

// Texts reads n texts.
func (r *Reader) Texts(n int) Texts {
	t := Texts{ends: r.Numbers(n), data: r.Bytes()}
	sum := uint64(0)
	for i, l := range t.ends {
		if sum += l; l > uint64(len(t.data)) || sum > uint64(len(t.data)) {
			r.Fail()
			return Texts{}
		}
		t.ends[i] = sum
	}
	if r.bad {
		return Texts{}
	}
	return t
}
