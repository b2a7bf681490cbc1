package group

import (
	"encoding/hex"
	"strconv"
)

// Columns are rows as PostgreSQL takes them in one statement: an array for each column, as
// text, which needs no more of a driver than that it sends strings.
//
//	INSERT INTO t (id, n) SELECT * FROM unnest($1::text[], $2::bigint[]) ...
//
// A statement that looks rows of a table up by such a list does well to have WITH
// ORDINALITY AS i(..., n) and WHERE i.n % 1 = 0. That is always true, but without statistics of
// it PostgreSQL expects one row to be left, and looks each up by an index. Else it may
// choose to read the whole table for every group, and keep to that for the life of a connection.
type Columns [][]byte

// NewColumns returns so many columns with room for so many rows of short values.
func NewColumns(columns, rows int) Columns {
	const short = 24
	room := (rows + 1) * short
	all, c := make([]byte, columns*room), make(Columns, columns)
	for i := range c {
		c[i] = all[i*room : i*room : (i+1)*room]
	}
	return c
}

// Row begins the next row: its values follow, one for each column, in their order.
func (c Columns) Row() *Row { return &Row{columns: c} }

// Args returns the arrays, for a statement's $1 and following.
func (c Columns) Args() []any {
	args := make([]any, len(c))
	for i := range c {
		if len(c[i]) == 0 {
			args[i] = "{}"
			continue
		}
		args[i] = string(append(c[i], '}'))
	}
	return args
}

// Row takes the values of one row.
type Row struct {
	columns Columns
	at      int
}

// next returns the column to write to, behind what separates its values.
func (r *Row) next() *[]byte {
	c := &r.columns[r.at]
	r.at++
	if len(*c) == 0 {
		*c = append(*c, '{')
	} else {
		*c = append(*c, ',')
	}
	return c
}

// Number writes a value of a column of bigint.
func (r *Row) Number(n int64) *Row {
	c := r.next()
	*c = strconv.AppendInt(*c, n, 10)
	return r
}

// Null writes no value.
func (r *Row) Null() *Row {
	c := r.next()
	*c = append(*c, "NULL"...)
	return r
}

// Text writes a value of a column of text.
func (r *Row) Text(s string) *Row {
	c := r.next()
	*c = append(*c, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			*c = append(*c, '\\')
		}
		*c = append(*c, s[i])
	}
	*c = append(*c, '"')
	return r
}

// Bytes writes a value of a column of bytea.
func (r *Row) Bytes(v []byte) *Row {
	c := r.next()
	*c = append(*c, `"\\x`...)
	*c = hex.AppendEncode(*c, v)
	*c = append(*c, '"')
	return r
}
