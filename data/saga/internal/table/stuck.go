package table

import (
	"context"
	"errors"
	"strings"
)

const stuckPage = 500

// Stuck calls fn for every saga of a name that is paused with an error which has such a
// text in it, until it returns an error. fn may change what it is given.
func (s *Table) Stuck(ctx context.Context, name, text string, fn func(id string) error) error {
	for after := ""; ; {
		ids, last, err := s.stuck(ctx, name, text, after)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := fn(id); err != nil {
				return err
			}
		}
		if last == "" {
			return nil
		}
		after = last
	}
}

// stuck is one page of them, and behind which id the next begins; "" if there is none.
func (s *Table) stuck(ctx context.Context, name, text, after string) (ids []string, last string, err error) {
	found, err := s.db.QueryContext(ctx, `SELECT id, error FROM muster_saga WHERE state = 'paused' AND name = $1 AND id > $2 ORDER BY id LIMIT $3`, name, after, stuckPage)
	if err != nil {
		return nil, "", explain(err)
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	n := 0
	for ; found.Next(); n++ {
		var wrong string
		if err := found.Scan(&last, &wrong); err != nil {
			return nil, "", explain(err)
		}
		if strings.Contains(wrong, text) {
			ids = append(ids, last)
		}
	}
	if n < stuckPage {
		last = ""
	}
	return ids, last, explain(found.Err())
}
