package mysql

import (
	"database/sql/driver"
	"io"
)

// clientRows is what the client's rows can do.
type clientRows interface {
	driver.RowsNextResultSet
	driver.RowsColumnTypeScanType
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
}

// rows are the client's, with our errors: some come with the first row only.
type rows struct {
	clientRows
	once bool
}

// Next reads a row.
func (r rows) Next(dest []driver.Value) error {
	err := r.clientRows.Next(dest)
	if r.once && isDuplicate(err) {
		return io.EOF
	}
	return explain(err)
}

// read makes of what the client returns what we do.
func (s statement) read(from driver.Rows, err error) (driver.Rows, error) {
	if s.once && isDuplicate(err) {
		return none{}, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	if known, ok := from.(clientRows); ok {
		return rows{known, s.once}, nil
	}
	return from, nil
}

// none are the rows of a statement that had no effect.
type none struct{}

// Columns returns none.
func (none) Columns() []string { return nil }

// Close does nothing.
func (none) Close() error { return nil }

// Next says that there is no row.
func (none) Next([]driver.Value) error { return io.EOF }
