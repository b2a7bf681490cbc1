// Package query spares the shop's services the loops of database/sql. The SQL stays
// where it is used.
package query

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
)

// Runner runs statements; *sql.DB and *sql.Tx do.
type Runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// All returns the rows of a query, each as a T; fields names where its columns go.
func All[T any](ctx context.Context, r Runner, fields func(*T) []any, query string, args ...any) ([]T, error) {
	rows, err := r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var one T
		if err := rows.Scan(fields(&one)...); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// One returns the first row of a query; found is false when there is none.
func One[T any](ctx context.Context, r Runner, fields func(*T) []any, query string, args ...any) (one T, found bool, err error) {
	all, err := All(ctx, r, fields, query, args...)
	if len(all) == 0 || err != nil {
		return one, false, err
	}
	return all[0], true, nil
}

// Value is the fields of a row with one column.
func Value[T any](v *T) []any { return []any{v} }

// Change runs a statement and reports whether it changed any row.
func Change(ctx context.Context, r Runner, query string, args ...any) (bool, error) {
	res, err := r.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// In returns "IN ($1, $2, …)" and its arguments for values, of which there must be
// at least one.
func In(values []string) (string, []any) {
	marks, args := make([]string, len(values)), make([]any, len(values))
	for i, v := range values {
		marks[i], args[i] = Mark(i+1), v
	}
	return "IN (" + strings.Join(marks, ", ") + ")", args
}

// Mark is the place of the nth argument in a statement, from 1 on.
func Mark(n int) string { return "$" + strconv.Itoa(n) }
