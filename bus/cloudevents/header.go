package cloudevents

import (
	"errors"
	"strings"
	"unicode/utf8"
)

const hex = "0123456789ABCDEF"

// encode writes an attribute as the value of a header: what is not visible ASCII, the
// space, the double quote and the percent sign as percent-encoded bytes of UTF-8
// (section 3.1.3.2 of the HTTP binding).
func encode(value string) string {
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

// decode reads what encode writes, and what other senders do: quoted strings (RFC 9110,
// section 5.6.4), bytes of UTF-8 as they are, and percent signs that encode nothing.
func decode(value string) (string, error) {
	value, err := unquote(value)
	if err != nil {
		return "", err
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
	if !utf8.ValidString(b.String()) {
		return "", errors.New("it is not UTF-8")
	}
	return b.String(), nil
}

func unquote(value string) (string, error) {
	if !strings.HasPrefix(value, `"`) {
		return value, nil
	}
	var b strings.Builder
	for i := 1; i < len(value); i++ {
		switch c := value[i]; {
		case c == '"' && i == len(value)-1:
			return b.String(), nil
		case c == '"':
			return "", errors.New("there is text after the closing quote")
		case c == '\\' && i+1 < len(value):
			i++
			b.WriteByte(value[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("the closing quote is missing")
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
