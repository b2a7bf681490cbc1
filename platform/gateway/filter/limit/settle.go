package limit

import (
	"context"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter/keyed"
)

// demand is what the store is asked for one key.
type demand struct {
	ref

	at         string // the key in the store
	debt, want int
	granted    int
	wait       time.Duration
	done       bool
}

// settle books and leases for keys.
func (s *sharing) settle(ctx context.Context, refs []ref, soon bool) {
	for len(refs) > 0 {
		n := min(len(refs), perTrip)
		demands := s.demands(refs[:n], soon)
		refs = refs[n:]
		err := s.trade(ctx, demands)
		if ctx.Err() == nil && len(demands) > 0 {
			s.says(err)
		}
		for i := range demands {
			s.grant(&demands[i], err)
		}
	}
}

// answer ends the waits for keys that nobody asks the store for any more.
func (s *sharing) answer(refs []ref) {
	for _, d := range s.demands(refs, true) {
		s.grant(&d, context.Canceled)
	}
}

func (s *sharing) demands(refs []ref, soon bool) []demand {
	list := make([]demand, 0, len(refs))
	for _, r := range refs {
		shard, e, ok := r.rule.table.Find(r.key)
		if !ok {
			continue
		}
		if l := e.lease; l != nil {
			d := demand{ref: r, at: r.rule.prefix + r.key}
			d.debt, d.want = l.demand(r.rule.Rate)
			if soon {
				l.soon = false
			} else {
				l.late = false
			}
			if d.debt > 0 || d.want > 0 {
				list = append(list, d)
			}
		}
		shard.Unlock()
	}
	return list
}

// trade carries demands out at the store. What is not done in the end was not.
func (s *sharing) trade(ctx context.Context, demands []demand) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	keys := make([]string, len(demands))
	for i := range demands {
		keys[i] = demands[i].at
	}
	done, err := keyed.Update(ctx, s.store, keys, func(i int, held []byte) (value []byte, ttl time.Duration) {
		d := &demands[i]
		value, d.granted, d.wait, ttl = decide(held, time.Now(), d.rule.Rate, d.debt, d.want)
		if d.debt == 0 && d.granted == 0 {
			return nil, 0
		}
		return value, ttl
	})
	for i := range done {
		demands[i].done = done[i]
	}
	return err
}

// grant notes the store's answer. What was not booked is booked later, also where it may
// have been: rather too few pass than too many.
func (s *sharing) grant(d *demand, err error) {
	shard, e, ok := d.rule.table.Find(d.key)
	if !ok {
		return
	}
	defer shard.Unlock()
	l := e.lease
	if l == nil {
		return
	}
	now := time.Now()
	switch {
	case d.done && err == nil:
		l.have = l.left(now) + d.granted
		if d.granted > 0 {
			l.until = now.Add(leaseLife)
		}
		if d.granted < d.want {
			l.none = now.Add(d.wait)
		}
	default:
		l.debt = min(l.debt+d.debt, recent(*d.rule.part.Load()))
		if l.debt > 0 && !l.late {
			l.late = true
			s.mu.Lock()
			s.late = append(s.late, d.ref)
			s.mu.Unlock()
		}
	}
	if l.wake != nil {
		close(l.wake)
		l.wake = nil
	}
}

// rest waits for d, or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
