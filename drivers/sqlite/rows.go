package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"time"
)

// innerRows is what the engine's rows can do.
type innerRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// wrapRows returns rows that explain errors and read the columns with a zoned type
// as times, and end their span when they are closed. The engine itself does so only for DATE, DATETIME and TIMESTAMP.
func wrapRows(r driver.Rows, c *conn, traced func(error)) driver.Rows {
	in, ok := r.(innerRows)
	if !ok { // nil too
		traced(nil)
		return r
	}
	w := &rows{innerRows: in, conn: c, traced: traced}
	for i := range in.Columns() {
		switch in.ColumnTypeDatabaseTypeName(i) {
		case "TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITHOUT TIME ZONE":
			w.times = append(w.times, i)
		}
	}
	return w
}

type rows struct {
	innerRows
	conn   *conn
	times  []int // columns to read as times
	traced func(error)
	err    error // of Next
}

// Next reads a row into dest.
func (r *rows) Next(dest []driver.Value) error {
	if err := r.innerRows.Next(dest); err != nil {
		if errors.Is(err, io.EOF) {
			return err
		}
		r.err = r.failed(err)
		return r.err
	}
	for _, i := range r.times {
		if s, ok := dest[i].(string); ok {
			dest[i] = parseTime(s)
		}
	}
	return nil
}

// Close ends the query.
func (r *rows) Close() error {
	err := r.failed(r.innerRows.Close())
	if r.traced != nil {
		r.traced(cmp.Or(r.err, err))
		r.traced = nil
	}
	return err
}

// failed explains an error, if it is one; it may have ended the transaction.
func (r *rows) failed(err error) error {
	if err != nil {
		r.conn.recheck(context.Background())
	}
	return r.conn.from.explain(err)
}

// parseTime reads what this driver writes, what CURRENT_TIMESTAMP gives, and RFC
// 3339; anything else stays the text it is.
func parseTime(s string) driver.Value {
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", time.DateTime, time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return s
}

// readAhead reads all rows and closes them.
func readAhead(r driver.Rows) (driver.Rows, error) {
	in, ok := r.(innerRows)
	if !ok {
		return r, nil
	}
	b := &buffered{columns: in.Columns()}
	for i := range b.columns {
		b.types = append(b.types, columnType{name: in.ColumnTypeDatabaseTypeName(i), scan: in.ColumnTypeScanType(i)})
	}
	for {
		row := make([]driver.Value, len(b.columns))
		switch err := in.Next(row); {
		case errors.Is(err, io.EOF):
			return b, in.Close()
		case err != nil:
			return nil, errors.Join(err, in.Close())
		}
		b.rows = append(b.rows, row)
	}
}

// buffered are rows in memory.
type buffered struct {
	columns []string
	types   []columnType
	rows    [][]driver.Value
}

type columnType struct {
	name string
	scan reflect.Type
}

func (b *buffered) Columns() []string                                 { return b.columns }
func (b *buffered) Close() error                                      { b.rows = nil; return nil }
func (b *buffered) ColumnTypeDatabaseTypeName(i int) string           { return b.types[i].name }
func (b *buffered) ColumnTypeLength(int) (int64, bool)                { return 0, false }
func (b *buffered) ColumnTypeNullable(int) (nullable, ok bool)        { return true, false }
func (b *buffered) ColumnTypePrecisionScale(int) (int64, int64, bool) { return 0, 0, false }
func (b *buffered) ColumnTypeScanType(i int) reflect.Type             { return b.types[i].scan }

func (b *buffered) Next(dest []driver.Value) error {
	if len(b.rows) == 0 {
		return io.EOF
	}
	copy(dest, b.rows[0])
	b.rows = b.rows[1:]
	return nil
}
