package compare

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"time"
)

// Table is a side that is a table, or anything that a query can tell.
type Table struct {
	DB *sql.DB
	// Query selects the key, as text, and then all that must be equal, in an order that both sides
	// have; $1 is the key to begin behind, $2 the one to end with or "" for none, and $3 how many at most:
	//
	//	SELECT sku, name, cents FROM product WHERE sku > $1 AND ($2 = '' OR sku <= $2) ORDER BY sku LIMIT $3
	//
	// On PostgreSQL with a collation other than C it is sku COLLATE "C", in all three places.
	//
	// Values are compared by what they say, not by their type: a number 5, whether an integer or a
	// float, equals any other 5; bytes equal the text of the same bytes; true equals 1; a time equals the same
	// moment in another zone, by microseconds. NULL equals NULL alone. What differs by more is to be
	// made alike by the query.
	Query string
}

// Rows implements [Side].
func (t Table) Rows(ctx context.Context, r Range) (list []Row, err error) {
	if t.DB == nil {
		return nil, errors.New("compare: the database is nil: open it before")
	}
	rows, err := t.DB.QueryContext(ctx, t.Query, r.After, r.Upto, r.Limit)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var key string
	values := make([]any, len(columns))
	dest := make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	if len(dest) > 0 {
		dest[0] = &key
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		sum, err := Sum(values[1:]...)
		if err != nil {
			return nil, fmt.Errorf("compare: the row %q: %w", key, err)
		}
		list = append(list, Row{Key: key, Sum: sum})
	}
	return list, rows.Err()
}

// Sum is the checksum of a row's values (FNV-1a, 64 bits), for a side that is not a table: those of a
// database/sql row, and what they equal is told at [Table].Query. It returns an error for any other type.
func Sum(values ...any) (uint64, error) {
	h := fnv.New64a()
	for i, v := range values {
		text, err := canonical(v)
		if err != nil {
			return 0, fmt.Errorf("value %d: %w", i+1, err)
		}
		var length [binary.MaxVarintLen64]byte
		_, _ = h.Write(length[:binary.PutUvarint(length[:], uint64(len(text)))]) // it never fails
		_, _ = h.Write(text)
	}
	return h.Sum64(), nil
}

// canonical writes what equal values have in common. The first byte keeps apart what is not there, and numbers from texts.
func canonical(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return append([]byte{'s'}, v...), nil
	case []byte:
		return append([]byte{'s'}, v...), nil
	case bool:
		if v {
			return []byte("n1"), nil
		}
		return []byte("n0"), nil
	case int64:
		return fmt.Appendf(nil, "n%d", v), nil
	case int:
		return fmt.Appendf(nil, "n%d", v), nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return fmt.Appendf(nil, "n%d", int64(v)), nil
		}
		return fmt.Appendf(nil, "n%v", v), nil
	case time.Time:
		return fmt.Appendf(nil, "t%d", v.UnixMicro()), nil
	}
	return nil, fmt.Errorf("of type %T it cannot be compared: have the query cast it to text", v)
}
