package table

import (
	"context"
	"errors"
)

// Running calls fn for every saga that has not ended.
func (s *Table) Running(ctx context.Context, fn func(Row)) (err error) {
	found, err := s.db.QueryContext(ctx, s.sql(`SELECT COLUMNS FROM muster_saga WHERE state IN ('running', 'compensating')
		UNION ALL SELECT COLUMNS FROM muster_saga WHERE state IN ('waiting', 'paused')`))
	if err != nil {
		return explain(err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	for found.Next() {
		r, err := scan(found)
		if err != nil {
			return err
		}
		fn(r)
	}
	return explain(found.Err())
}
