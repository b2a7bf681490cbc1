package bus

import (
	"context"
	"errors"
	"strings"
	"time"
)

// The parking is asked at least this often: others park, and people redrive. A message
// that is being tried is kept as often.
const askEvery = time.Second

// slack is added to when the parking is asked for a message that becomes due: its
// clock may be a little behind ours.
const slack = 5 * time.Millisecond

// lethal is how many tries in a row end with the process, or its lease, until that is
// held against the message.
const lethal = 3

var errLethal = errors.New("its last tries did not end: it may be what ends the process that handles it")

// maxError bounds what is kept of an error, in bytes.
const maxError = 1000

// brief returns the text of an error for the parking.
func brief(err error) string {
	text := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(text) > maxError {
		text = strings.ToValidUTF8(text[:maxError], "") + "…"
	}
	return text
}

// retryParked tries the parked messages that are due until ctx ends.
func (r *running) retryParked(ctx, handlers context.Context) {
	var failing bool
	for {
		n := r.parked.take(ctx)
		if n == 0 {
			return
		}
		due, err := r.parking.Due(ctx, r.group, n)
		r.parked.give(n - len(due))
		for _, p := range due {
			r.work.Go(func() {
				defer r.alarm.wake(time.Now()) // the next of its key is due now
				defer r.parked.give(1)
				r.try(handlers, p)
			})
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			r.log.WarnContext(ctx, "the parking does not answer; it is asked again", "error", err)
		}
		failing = err != nil
		if len(due) < n {
			r.alarm.wait(ctx, askEvery)
		}
	}
}

// try handles one parked message.
func (r *running) try(handlers context.Context, p Parked) {
	ctx, cancel := context.WithCancelCause(withTrace(handlers, p.Msg))
	defer cancel(nil)
	if p.Attempts >= r.retry.Attempts && p.Lost >= min(lethal, r.retry.Attempts) {
		r.report(ctx, p.Msg, p.Attempts, true, errLethal)
		r.record(ctx, p, Outcome{Dead: true, Error: errLethal.Error()})
		return
	}
	stop := r.keep(ctx, cancel, p)
	err := r.handle(ctx, Delivery{Msg: p.Msg, Group: r.group, Count: p.Attempts + 1})
	stop()
	if err != nil && ctx.Err() != nil && (r.ending.Load() || errors.Is(context.Cause(ctx), ErrLeaseLost)) {
		return // its lease ends, and another tries
	}
	o := Outcome{Done: err == nil}
	if err != nil {
		attempts := p.Attempts + 1
		o.Error, o.Dead = brief(err), IsFinal(err) || attempts >= r.retry.Attempts
		if !o.Dead {
			o.After = r.retry.After(attempts)
		}
		r.report(ctx, p.Msg, attempts, o.Dead, err)
	}
	r.record(ctx, p, o)
}

// record tells the parking what a try came to.
func (r *running) record(ctx context.Context, p Parked, o Outcome) {
	bounded, end := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer end()
	if err := r.parking.Settle(bounded, p, o); err != nil {
		r.log.WarnContext(ctx, "it was not recorded what became of a parked message: it is tried again", append(names(p.Msg), "error", err)...)
		return
	}
	if !o.Done && !o.Dead {
		r.alarm.wake(time.Now().Add(o.After + slack)) // the delay began with the record, which may have taken its time
	}
}

// keep extends the lease of a parked message until stop is called, where the parking
// can. When that has failed for longer than any lease the handler is stopped.
func (r *running) keep(ctx context.Context, cancel context.CancelCauseFunc, p Parked) (stop func()) {
	keeper, ok := r.parking.(Keeper)
	if !ok {
		return func() {}
	}
	ctx, end := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(askEvery)
		defer tick.Stop()
		for failures := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := keeper.Keep(ctx, p); err == nil {
				failures = 0
			} else if failures++; failures == 3 {
				cancel(ErrLeaseLost)
				return
			}
		}
	}()
	return func() {
		end()
		<-done
	}
}
