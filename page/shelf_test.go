package page_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// shelf is a database of three rows that prints each query and answers all alike,
// so that the examples need no driver.
type shelf struct{}

func (s shelf) Connect(context.Context) (driver.Conn, error) { return s, nil }
func (s shelf) Driver() driver.Driver                        { return nil }
func (shelf) Prepare(string) (driver.Stmt, error)            { return nil, errors.New("only queries") }
func (shelf) Close() error                                   { return nil }
func (shelf) Begin() (driver.Tx, error)                      { return nil, errors.New("only queries") }

func (shelf) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	fmt.Println(query)
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Value
	}
	fmt.Println(values)
	return &rows{left: [][]driver.Value{{int64(7), "teapot", int64(900)}, {int64(4), "tea tray", int64(700)}, {int64(9), "tea", int64(300)}}}, nil
}

type rows struct{ left [][]driver.Value }

func (*rows) Columns() []string { return []string{"id", "name", "cents"} }
func (*rows) Close() error      { return nil }

func (r *rows) Next(dest []driver.Value) error {
	if len(r.left) == 0 {
		return io.EOF
	}
	copy(dest, r.left[0])
	r.left = r.left[1:]
	return nil
}
