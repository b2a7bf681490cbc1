package cloudevents

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/musterdev/muster/bus"
)

// decode reads what bus.Escape writes, and what other senders do: quoted strings (RFC 9110,
// section 5.6.4), bytes of UTF-8 as they are, and percent signs that encode nothing.
func decode(value string) (string, error) {
	value, err := unquote(value)
	if err != nil {
		return "", err
	}
	if value = bus.Unescape(value); !utf8.ValidString(value) {
		return "", errors.New("it is not UTF-8")
	}
	return value, nil
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
