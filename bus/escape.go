package bus

import "strings"

// Escape writes an attribute as the value of a header, as CloudEvents does: what is no
// visible ASCII character, and the space, the double quote and the percent sign, as the
// %XX of its bytes of UTF-8 (HTTP Protocol Binding 1.0.2, section 3.1.3.2, which other
// bindings take over).
func Escape(value string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(value) {
		c := value[i]
		if c > ' ' && c <= '~' && c != '"' && c != '%' {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', hex[c>>4], hex[c&15]})
	}
	return b.String()
}

// Unescape is the reverse of Escape. A percent sign that begins no escape stands for
// itself. What it returns need not be UTF-8.
func Unescape(value string) string {
	if !strings.Contains(value, "%") {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '%' && i+2 < len(value) {
			high, low := digit(value[i+1]), digit(value[i+2])
			if high >= 0 && low >= 0 {
				b.WriteByte(byte(high<<4 | low)) //nolint:gosec // both are below 16
				i += 2
				continue
			}
		}
		b.WriteByte(value[i])
	}
	return b.String()
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
