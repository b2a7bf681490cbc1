package store

import (
	"bytes"
	"context"
	"strings"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// Beginning returns traces whose ids begin with these hexadecimal digits, however old, at
// most so many. It reads no more than a few of the ids of each block. It fails with
// signal.ErrID for what is no beginning of an id.
func (s *Store) Beginning(ctx context.Context, digits string, most int) ([]signal.TraceID, error) {
	low, high, err := bounds(digits)
	if err != nil {
		return nil, err
	}
	var found []signal.TraceID
	seen := map[signal.TraceID]bool{{}: true} // which names none
	each := func(id signal.TraceID) bool {
		if !seen[id] && len(found) < most {
			seen[id] = true
			found = append(found, id)
		}
		return len(found) < most
	}
	filter := row.OfSpans(signal.SpanQuery{})
	all, err := s.sources(row.Spans, &filter)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, src := range all {
			src.close()
		}
	}()
	for _, src := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if src.file == nil {
			for _, r := range src.rows.Fixed[src.from:] {
				if bytes.Compare(r.Trace[:], low[:]) >= 0 && bytes.Compare(r.Trace[:], high[:]) <= 0 {
					each(r.Trace)
				}
			}
		} else if err := src.file.Between(low, high, each); err != nil {
			if err := s.setAside(src.file, err); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// bounds returns the first and the last id that begin so.
func bounds(digits string) (low, high signal.TraceID, err error) {
	rest := 2*len(low) - len(digits)
	if rest < 0 || digits == "" {
		return low, high, signal.ErrID
	}
	if err = low.UnmarshalText([]byte(digits + strings.Repeat("0", rest))); err == nil {
		err = high.UnmarshalText([]byte(digits + strings.Repeat("f", rest)))
	}
	return low, high, err
}
