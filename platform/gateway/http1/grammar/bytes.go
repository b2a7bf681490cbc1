package grammar

import "encoding/binary"

// The classes of bytes.
const (
	inToken  = 1 << iota // tchar (RFC 9110, 5.6.2)
	inTarget             // what may stand in a target: visible ASCII without "#"
	inValue              // of a field: all but control bytes, tabs excepted (RFC 9110, 5.5)
	inHost               // of a name or an IPv4 address
	inHex
)

var class = classes()

func classes() (table [256]uint8) {
	mark := func(bit uint8, chars string) {
		for _, c := range []byte(chars) {
			table[c] |= bit
		}
	}
	const letters, digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	mark(inToken, "!#$%&'*+-.^_`|~"+digits+letters)
	mark(inHost, "-._~"+digits+letters)
	mark(inHex, digits+"abcdefABCDEF")
	mark(inValue, "\t")
	for c := ' '; c <= 0xff; c++ {
		if c == 0x7f {
			continue
		}
		table[c] |= inValue
		if c > ' ' && c < 0x7f && c != '#' {
			table[c] |= inTarget
		}
	}
	return table
}

// all reports whether all of b is of a class.
func all(b []byte, of uint8) bool {
	for _, c := range b {
		if class[c]&of == 0 {
			return false
		}
	}
	return true
}

// isValue reports whether b may be the value of a field, eight bytes at a time.
func isValue(b []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		low := (x - ones*' ') &^ x // the high bit where a byte is below a space
		del := x ^ ones*0x7f       // zero where a byte is DEL
		del = (del - ones) &^ del  // the high bit there
		if (low|del)&high != 0 && !all(b[:8], inValue) {
			return false
		}
		b = b[8:]
	}
	return all(b, inValue)
}

// trim returns b without spaces and tabs around it.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
