package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"strconv"
	"time"
)

// A cursor is base64url of the last row's sort values, each in a binary form of its
// kind, and a sum over them, the order and the filters. So it goes with no other
// query, and a changed one is refused. The limit may change from page to page.
const (
	sumBytes  = 12      // 96 bits of the HMAC
	maxCursor = 4 << 10 // characters; it must fit into a URL
	// cursorVersion begins what is summed, and would change with the form.
	cursorVersion = "muster/page/1"
)

var errCursor = errors.New("page: damaged cursor, or one of another query")

func (q Query) makeCursor(values []any) (string, error) {
	var b []byte
	for _, v := range values {
		b = appendValue(b, v)
	}
	b = append(b, q.sum(b)...)
	if s := base64.RawURLEncoding.EncodeToString(b); len(s) <= maxCursor {
		return s, nil
	}
	return "", fmt.Errorf("page: the sort values of a row take more than %d characters; sort by a shorter column", maxCursor)
}

func (q Query) openCursor(s string) ([]any, error) {
	if len(s) > maxCursor {
		return nil, errCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < sumBytes {
		return nil, errCursor
	}
	b, sum := b[:len(b)-sumBytes], b[len(b)-sumBytes:]
	if !hmac.Equal(sum, q.sum(b)) {
		return nil, errCursor
	}
	values := make([]any, len(q.order))
	for i, o := range q.order {
		field, _ := q.spec.field(o.Field)
		if values[i], b, err = cutValue(b, field.Kind); err != nil {
			return nil, err
		}
	}
	if len(b) > 0 {
		return nil, errCursor
	}
	return values, nil
}

// sum binds a cursor's values to the order and the filters. Without a secret its
// key is public: it then finds damage and mix-ups, not forgery, which would gain
// nothing but another place to begin at.
func (q Query) sum(values []byte) []byte {
	key := q.spec.Secret
	if len(key) == 0 {
		key = []byte(cursorVersion)
	}
	h := hmac.New(sha256.New, key)
	part(h, cursorVersion)
	part(h, strconv.Itoa(len(q.order)))
	for _, o := range q.order {
		field, _ := q.spec.field(o.Field)
		part(h, o.Field, field.Kind.String(), strconv.FormatBool(o.Desc))
	}
	part(h, strconv.Itoa(len(q.filters)))
	for _, f := range q.filters {
		part(h, f.Field, f.Op.String(), strconv.Itoa(len(f.Values)))
		for _, v := range f.Values {
			part(h, string(appendValue(nil, v)))
		}
	}
	part(h, string(values))
	return h.Sum(nil)[:sumBytes]
}

// part writes texts with their lengths, so that no two lists of them look alike.
func part(h hash.Hash, texts ...string) {
	for _, s := range texts {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(s)))) // a hash never fails
		_, _ = h.Write([]byte(s))
	}
}

func appendValue(b []byte, v any) []byte {
	switch x := v.(type) {
	case int64:
		return binary.AppendVarint(b, x)
	case float64:
		return binary.BigEndian.AppendUint64(b, math.Float64bits(x))
	case bool:
		if x {
			return append(b, 1)
		}
		return append(b, 0)
	case time.Time:
		return binary.AppendUvarint(binary.AppendVarint(b, x.Unix()), uint64(x.Nanosecond())) //nolint:gosec // 0 to 999,999,999
	default:
		s, _ := v.(string) // the kinds have no other type
		return append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
}

// cutValue reads the value that b begins with and returns what follows it.
func cutValue(b []byte, k Kind) (any, []byte, error) {
	switch k {
	case Int, Int32:
		n, size := binary.Varint(b)
		if size <= 0 || k == Int32 && n != int64(int32(n)) { //nolint:gosec // the loss is what is looked for
			return nil, nil, errCursor
		}
		return n, b[size:], nil
	case Float:
		if len(b) < 8 {
			return nil, nil, errCursor
		}
		f := math.Float64frombits(binary.BigEndian.Uint64(b))
		if math.IsNaN(f) {
			return nil, nil, errCursor
		}
		return f, b[8:], nil
	case Bool:
		if len(b) < 1 || b[0] > 1 {
			return nil, nil, errCursor
		}
		return b[0] == 1, b[1:], nil
	case Time:
		sec, size := binary.Varint(b)
		if size <= 0 {
			return nil, nil, errCursor
		}
		nsec, more := binary.Uvarint(b[size:])
		if more <= 0 || nsec >= 1e9 || sec < minUnix || sec > maxUnix {
			return nil, nil, errCursor
		}
		return time.Unix(sec, int64(nsec)).UTC(), b[size+more:], nil
	default:
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) { //nolint:gosec // size is at most len(b)
			return nil, nil, errCursor
		}
		s := string(b[size : size+int(n)]) //nolint:gosec // checked on the line above
		if !clean(s) || k == UUID && !uuidForm.MatchString(s) {
			return nil, nil, errCursor
		}
		return s, b[size+int(n):], nil //nolint:gosec // as above
	}
}

// The years 0 to 9999, which RFC 3339 can write and databases can compare.
const (
	minUnix = -62167219200
	maxUnix = 253402300799
)
