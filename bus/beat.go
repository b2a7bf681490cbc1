package bus

import (
	"context"
	"time"
)

// beat tells the broker every third of its lease what is being handled, and stops
// handlers whose message was without a sign for a whole one.
func (r *running) beat(ctx context.Context) {
	every := r.caps.Lease / 3
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if hands := r.alive(time.Now()); len(hands) > 0 {
			r.sign(ctx, hands, every)
		}
	}
}

// alive stops the handlers whose lease has ended and returns the others' deliveries.
func (r *running) alive(now time.Time) []*hand {
	r.mu.Lock()
	defer r.mu.Unlock()
	var hands []*hand
	for h := range r.hands {
		if now.Sub(h.last) >= r.caps.Lease {
			h.cancel(ErrLeaseLost)
			continue
		}
		hands = append(hands, h)
	}
	return hands
}

// sign sends one sign of life for each; where the call for all fails, one by one.
func (r *running) sign(ctx context.Context, hands []*hand, bound time.Duration) {
	at := time.Now()
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	verdicts := make([]Verdict, len(hands))
	for i, h := range hands {
		verdicts[i] = Verdict{Delivery: h.Delivery, Action: InProgress}
	}
	all := r.sub.Settle(ctx, verdicts...)
	for i, h := range hands {
		if all != nil && (len(hands) == 1 || r.sub.Settle(ctx, verdicts[i]) != nil) {
			continue
		}
		r.mu.Lock()
		h.last = at
		r.mu.Unlock()
	}
}
