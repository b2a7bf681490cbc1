package bus

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// hand is a delivery that is being handled.
type hand struct {
	Delivery
	last   time.Time // when the broker was last told
	cancel context.CancelCauseFunc
}

// receive takes messages for as many workers as are free until ctx ends.
func (r *running) receive(ctx, handlers context.Context) error {
	for {
		n := r.fresh.take(ctx)
		if n == 0 {
			return nil
		}
		deliveries, err := r.sub.Receive(ctx, n)
		r.fresh.give(n - len(deliveries))
		for _, d := range deliveries {
			d.Group = r.group
			r.work.Go(func() {
				defer r.fresh.give(1)
				r.take(handlers, d)
			})
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case err != nil:
			return fmt.Errorf("bus: the group %q gets nothing more: %w", r.group, err)
		}
	}
}

// take brings one delivery to its end.
func (r *running) take(handlers context.Context, d Delivery) {
	ctx, cancel := context.WithCancelCause(withTrace(handlers, d.Msg))
	defer cancel(nil)
	h := &hand{Delivery: d, last: time.Now(), cancel: cancel}
	r.mu.Lock()
	r.hands[h] = struct{}{}
	r.mu.Unlock()
	v := r.judge(ctx, d)
	if v.Action == Nack && v.After > 0 && !r.caps.Delay { // the broker would give it back at once
		r.pause(ctx, min(v.After, r.retry.Most))
		v.After = 0
	}
	r.mu.Lock()
	delete(r.hands, h) // no beat may follow the verdict
	r.mu.Unlock()
	if v.Action == forsaken {
		return
	}
	r.settle(ctx, v)
}

// settle tells the broker, for as long as it makes a difference.
func (r *running) settle(ctx context.Context, v Verdict) {
	bound := r.caps.Lease
	if bound <= 0 {
		bound = drain
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	if err := r.sub.Settle(ctx, v); err != nil {
		r.log.WarnContext(ctx, "the broker was not told what became of a message: it may come again", append(names(v.Delivery.Msg), "error", err)...)
	}
}

// forsaken is what judge returns of a delivery that is another's by now: nothing is
// said of it.
const forsaken Action = -1

// judge handles a delivery, or parks it, and returns what the broker is to do with it.
func (r *running) judge(ctx context.Context, d Delivery) Verdict {
	if r.parking != nil && d.Key != "" {
		held, err := r.parking.Held(ctx, r.group, d.Key)
		if err != nil {
			return r.giveBack(ctx, d, fmt.Errorf("it is not known whether its key waits: %w", err))
		}
		if held {
			v, _ := r.park(ctx, d, Parked{Next: later(time.Now(), d.NotBefore)}) // it is due when those before it are done, which wakes
			return v
		}
	}
	if r.parking != nil && r.caps.Count && d.Count > lethal { // only the parking counts tries that do not end
		r.log.WarnContext(ctx, "a message was delivered again and again and never answered: it is parked, and tried from there", append(names(d.Msg), "count", d.Count)...)
		return r.parkUntil(ctx, d, Parked{Next: later(time.Now(), d.NotBefore)})
	}
	if wait := time.Until(d.NotBefore); wait > 0 && !r.caps.Later {
		if r.parking == nil {
			return Verdict{Delivery: d, Action: Nack, After: wait}
		}
		return r.parkUntil(ctx, d, Parked{Next: d.NotBefore})
	}
	err := r.handle(ctx, d)
	switch {
	case err == nil:
		return Verdict{Delivery: d, Action: Ack}
	case errors.Is(context.Cause(ctx), ErrLeaseLost):
		r.log.WarnContext(ctx, "a handler was stopped", append(names(d.Msg), "error", ErrLeaseLost)...)
		return Verdict{Delivery: d, Action: forsaken}
	case r.ending.Load() && ctx.Err() != nil:
		return Verdict{Delivery: d, Action: Nack} // it was not given the time: no try
	}
	return r.failed(ctx, d, err)
}

// failed parks a message whose first try failed.
func (r *running) failed(ctx context.Context, d Delivery, err error) Verdict {
	if r.parking == nil {
		if IsFinal(err) && r.caps.Dead {
			r.log.ErrorContext(ctx, "a message is dead", append(names(d.Msg), "error", err)...)
			return Verdict{Delivery: d, Action: Term, Reason: brief(err)}
		}
		return r.giveBack(ctx, d, err)
	}
	p := Parked{Attempts: 1, Error: brief(err), Dead: IsFinal(err) || r.retry.Attempts <= 1}
	p.Next = time.Now()
	if !p.Dead {
		p.Next = p.Next.Add(r.retry.After(1))
	}
	r.report(ctx, d.Msg, p.Attempts, p.Dead, err)
	return r.parkUntil(ctx, d, p)
}

// parkUntil parks a message that is tried when its time has come.
func (r *running) parkUntil(ctx context.Context, d Delivery, p Parked) Verdict {
	began := time.Now()
	v, parked := r.park(ctx, d, p)
	if parked && !p.Dead {
		r.alarm.wake(p.Next.Add(time.Since(began) + slack)) // the parking counts from when it wrote
	}
	return v
}

// park stores a message and has the broker forget it, or gives it back.
func (r *running) park(ctx context.Context, d Delivery, p Parked) (v Verdict, parked bool) {
	p.Msg, p.Group = d.Msg, r.group
	// A message that is judged is parked, though the service ends.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := r.parking.Park(bounded, p); err != nil {
		return r.giveBack(ctx, d, fmt.Errorf("it cannot be parked: %w", err)), false
	}
	return Verdict{Delivery: d, Action: Ack}, true
}

// giveBack returns a message to the broker, to come again after a while.
func (r *running) giveBack(ctx context.Context, d Delivery, err error) Verdict {
	tries := d.Count
	if !r.caps.Count {
		tries = r.retry.Attempts / 2 // it is not known: neither soon nor late
	}
	after := r.retry.After(max(1, tries))
	r.log.WarnContext(ctx, "a message goes back to the broker", append(names(d.Msg), "count", d.Count, "after", after, "error", err)...)
	return Verdict{Delivery: d, Action: Nack, After: after}
}

// pause waits, at most until the consumer ends.
func (r *running) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-r.ended:
	}
}

func (r *running) report(ctx context.Context, m Msg, attempts int, dead bool, err error) {
	attrs := append(names(m), "attempts", attempts, "error", err)
	if dead {
		r.log.ErrorContext(ctx, "a message is dead, and holds its key until it is redriven or discarded", attrs...)
		return
	}
	r.log.WarnContext(ctx, "a message is parked, to be tried again", attrs...)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
