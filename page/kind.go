package page

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is the type of a field's values: how they are written in a query and what
// is handed to the database.
type Kind uint8

// The kinds.
const (
	String Kind = iota // UTF-8 without NUL, at most 1,024 bytes; a Go string
	Int                // 64 bits, an int64
	Int32              // as Int, within 32 bits: for a column that takes no more
	Float              // a finite float64
	Bool               // true or false; a bool
	Time               // RFC 3339; a time.Time in UTC
	UUID               // RFC 9562; a Go string in lower case
)

const kindLast = UUID

// maxValue bounds a filter's value, in bytes.
const maxValue = 1024

var uuidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// String returns the kind's name.
func (k Kind) String() string {
	names := [...]string{"String", "Int", "Int32", "Float", "Bool", "Time", "UUID"}
	if int(k) < len(names) {
		return names[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// expects says in words what a value must be.
func (k Kind) expects() string {
	switch k {
	case Int:
		return "must be a whole number"
	case Int32:
		return "must be a whole number of at most 32 bits"
	case Float:
		return "must be a number"
	case Bool:
		return "must be true or false"
	case Time:
		return "must be a time such as 2026-01-31T15:04:05Z"
	case UUID:
		return "must be a UUID such as 0190c6b2-7f3a-7d57-9a4e-2f6d1c0b8a11"
	default:
		return fmt.Sprintf("must be text of at most %d bytes, in UTF-8 and without NUL", maxValue)
	}
}

// parse reads a value from a query, reporting whether it is one.
func (k Kind) parse(s string) (any, bool) {
	switch k {
	case Int, Int32:
		n, err := strconv.ParseInt(s, 10, k.bits())
		return n, err == nil
	case Float:
		f, err := strconv.ParseFloat(s, 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	case Bool:
		return s == "true", s == "true" || s == "false"
	case Time:
		t, err := time.Parse(time.RFC3339Nano, s)
		return t.UTC(), err == nil
	case UUID:
		return strings.ToLower(s), uuidForm.MatchString(s)
	default:
		return s, len(s) <= maxValue && clean(s)
	}
}

func (k Kind) bits() int {
	if k == Int32 {
		return 32
	}
	return 64
}

// clean reports whether a database takes s as text: PostgreSQL refuses NUL and
// what is not UTF-8, and that would look like a fault of the service.
func clean(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// of converts the value of a row's field to what parse would have returned.
func (k Kind) of(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, fmt.Errorf("the value is NULL; sort by COALESCE(column, ...)")
	case time.Time:
		if k == Time {
			return x.UTC(), nil
		}
	}
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer {
		if r.IsNil() {
			return nil, fmt.Errorf("the value is NULL; sort by COALESCE(column, ...)")
		}
		return k.of(r.Elem().Interface())
	}
	switch {
	case k == String && r.Kind() == reflect.String:
		return r.String(), nil
	case k == UUID && r.Kind() == reflect.String:
		return strings.ToLower(r.String()), nil
	case k == UUID:
		if m, ok := v.(encoding.TextMarshaler); ok {
			text, err := m.MarshalText()
			return strings.ToLower(string(text)), err
		}
	case (k == Int || k == Int32) && r.CanInt():
		return r.Int(), nil
	case (k == Int || k == Int32) && r.CanUint() && r.Uint() <= math.MaxInt64:
		return int64(r.Uint()), nil //nolint:gosec // checked on the line above
	case k == Float && r.CanFloat():
		return r.Float(), nil
	case k == Bool && r.Kind() == reflect.Bool:
		return r.Bool(), nil
	}
	return nil, fmt.Errorf("a value of type %T is no %s", v, k)
}
