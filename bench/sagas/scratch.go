package sagas

import (
	"context"
	"database/sql"
)

func Scratch(ctx context.Context, db *sql.DB) (Work, error) {
	l, err := newLight(ctx, db, "light", func(context.Context, *string) error { return nil })
	if err != nil {
		return nil, err
	}
	return l.one, nil
}
