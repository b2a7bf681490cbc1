package wire

import (
	"errors"
	"fmt"
	"math"
)

// ErrMalformed is the error of a body that is no message of its signal in protobuf.
var ErrMalformed = errors.New("malformed protobuf")

// The wire types of protobuf's encoding.
const (
	varint     = 0
	fixed64    = 1
	delimited  = 2
	startGroup = 3
	endGroup   = 4
	fixed32    = 5
)

// cursor walks over the fields of one message. After next returned true exactly one of
// the reading methods or skip is called. After the last field bad tells whether the
// message was cut short or malformed.
type cursor struct {
	s   string
	i   int
	key uint64 // field number << 3 | wire type
	bad bool
}

// over begins a walk.
func over(s string) cursor { return cursor{s: s} }

// err returns ErrMalformed with the place, where the walk ended early.
func (c *cursor) err(what string) error {
	if !c.bad {
		return nil
	}
	return fmt.Errorf("%w: %s: at byte %d of its %d", ErrMalformed, what, c.i, len(c.s))
}

func (c *cursor) next() bool {
	if c.bad || c.i >= len(c.s) {
		return false
	}
	if b := c.s[c.i]; b < 0x80 {
		c.i++
		c.key = uint64(b)
	} else {
		c.key = c.varint()
	}
	if n := c.key >> 3; n == 0 || n > 1<<29-1 || c.key&7 > fixed32 || c.key&7 == endGroup {
		c.bad = true
	}
	return !c.bad
}

func (c *cursor) fail() { c.bad = true }

func (c *cursor) varint() uint64 {
	var v uint64
	for shift := uint(0); c.i < len(c.s); shift += 7 {
		b := c.s[c.i]
		if shift == 63 && b > 1 {
			break
		}
		c.i++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.fail()
	return 0
}

func (c *cursor) fixed64() uint64 {
	if len(c.s)-c.i < 8 {
		c.fail()
		return 0
	}
	s := c.s[c.i : c.i+8]
	c.i += 8
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func (c *cursor) fixed32() uint32 {
	if len(c.s)-c.i < 4 {
		c.fail()
		return 0
	}
	s := c.s[c.i : c.i+4]
	c.i += 4
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// text returns what a delimited field holds: a part of the body, not a copy.
func (c *cursor) text() string {
	var n uint64
	if c.i < len(c.s) && c.s[c.i] < 0x80 {
		n = uint64(c.s[c.i])
		c.i++
	} else {
		n = c.varint()
	}
	if c.bad || n > uint64(len(c.s)-c.i) {
		c.fail()
		return ""
	}
	s := c.s[c.i : c.i+int(n)]
	c.i += int(n)
	return s
}

// skip passes over a field that is not wanted.
func (c *cursor) skip() {
	switch c.key & 7 {
	case varint:
		c.varint()
	case fixed64:
		c.fixed64()
	case delimited:
		c.text()
	case fixed32:
		c.fixed32()
	case startGroup:
		c.group()
	}
}

// deepest is how many groups may lie in one another: protobuf's own bound.
const deepest = 10000

// group passes over a group: fields until the end with its number, groups among them.
func (c *cursor) group() {
	open := []uint64{c.key >> 3}
	for len(open) > 0 {
		if c.i >= len(c.s) || len(open) > deepest {
			c.fail()
			return
		}
		c.key = c.varint()
		n := c.key >> 3
		if c.bad || n == 0 || n > 1<<29-1 {
			c.fail()
			return
		}
		switch c.key & 7 {
		case startGroup:
			open = append(open, n)
		case endGroup:
			if n != open[len(open)-1] {
				c.fail()
				return
			}
			open = open[:len(open)-1]
		case 6, 7:
			c.fail()
		default:
			c.skip()
		}
		if c.bad {
			return
		}
	}
}

// double returns the number that fixed64 bits stand for.
func double(b uint64) float64 { return math.Float64frombits(b) }

// nanos brings a time of the wire, unsigned, into the range of ours.
func nanos(v uint64) int64 {
	return int64(min(v, math.MaxInt64))
}
