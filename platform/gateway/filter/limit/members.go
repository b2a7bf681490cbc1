package limit

import (
	"context"
	"encoding/json"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter/keyed"
)

// gone is how long a gateway is counted that is not heard of.
const gone = 5 * time.Second

// members are the gateways that share a limit, each with when it was heard of, in
// milliseconds since 1970.
type members map[string]int64

func parseMembers(held []byte) members {
	m := members{}
	if json.Unmarshal(held, &m) != nil || m == nil {
		return members{}
	}
	return m
}

// heard notes that a gateway is there, and forgets those that are gone.
func (m members) heard(id string, now time.Time) {
	m[id] = now.UnixMilli()
	for other, at := range m {
		if now.Sub(time.UnixMilli(at)) > gone {
			delete(m, other)
		}
	}
}

// count counts the gateways, this one among them.
func (s *sharing) count(ctx context.Context) {
	n, err := s.change(ctx, func(m members, now time.Time) { m.heard(s.id, now) })
	if ctx.Err() != nil {
		return
	}
	s.says(err)
	if err == nil && n > 0 {
		s.divide(n)
	}
}

// leave has this gateway counted no more.
func (s *sharing) leave(ctx context.Context) {
	_, _ = s.change(ctx, func(m members, _ time.Time) { delete(m, s.id) }) // else it is forgotten
}

// change changes the list of gateways, and returns how many there are; 0 when others
// changed it each time.
func (s *sharing) change(ctx context.Context, what func(m members, now time.Time)) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	done, err := keyed.Update(ctx, s.store, []string{s.members}, func(_ int, held []byte) ([]byte, time.Duration) {
		m := parseMembers(held)
		what(m, time.Now())
		n = len(m)
		text, _ := json.Marshal(m)
		return text, 2 * gone
	})
	if err != nil || !done[0] {
		return 0, err
	}
	return n, nil
}
