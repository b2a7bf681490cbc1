package sagas

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/ops"
)

// came is what is waited for.
type came struct {
	atLeast  int           // sagas that nobody has seen before
	patience time.Duration // for these to come; 0: as long as for all to be quiet
}

// seen is what has come.
type seen struct {
	fresh  []ops.Saga // sagas that began since the last time
	failed string     // why it cannot be told; "" when it can
	parked string     // messages that nobody could handle
	busy   string     // what is not quiet; "" when all is
}

// await waits until the sagas have ended and no message is under way, and returns what is
// wrong: "" when nothing is. What has come is known from then on.
func (d *drive) await(ctx context.Context, want came) (seen, string) {
	var s seen
	began := time.Now()
	for {
		asked := time.Now()
		s = d.look(ctx)
		if s.failed == "" {
			if wrong := s.wrong(); wrong != "" {
				d.learn(s)
				return s, wrong
			}
			late := want.patience > 0 && time.Since(began) > want.patience
			if s.busy == "" && (len(s.fresh) >= want.atLeast || late) {
				d.learn(s)
				return s, ""
			}
		}
		if time.Since(began) > d.cfg.Within || live.Pause(ctx, max(look, time.Since(asked)/2)) != nil {
			break
		}
	}
	d.learn(s)
	switch {
	case ctx.Err() != nil:
		return s, "interrupted"
	case s.failed != "":
		return s, fmt.Sprintf("after %s it cannot be told what became of it: %s", d.cfg.Within, s.failed)
	case s.busy != "":
		return s, fmt.Sprintf("after %s %s", d.cfg.Within, s.busy)
	}
	return s, fmt.Sprintf("the visitor was answered well, and after %s no saga had begun", d.cfg.Within)
}

// wrong is what no waiting mends.
func (s seen) wrong() string {
	for _, one := range s.fresh {
		if one.State == saga.Paused {
			return fmt.Sprintf("%s/%s is paused at the step %s: %s", one.Name, one.ID, one.Step, one.Error)
		}
	}
	return s.parked
}

// look asks once.
func (d *drive) look(ctx context.Context) (s seen) {
	all := d.asked()
	own := &ops.Fleet{Services: slices.DeleteFunc(slices.Clone(all.Services), func(one ops.Service) bool { return one.Name != d.keeper })}
	list, _, err := own.Sagas(ctx, saga.Filter{Name: d.cfg.Saga, Limit: 1000})
	if err != nil {
		s.failed = oneLine(err)
		return s
	}
	var busy []string
	for _, one := range list {
		if !d.known[one.ID] {
			s.fresh = append(s.fresh, one)
		}
		if ended := one.State == saga.Completed || one.State == saga.Compensated; !ended || one.Owner != "" {
			busy = append(busy, fmt.Sprintf("%s/%s is %s at the step %s", one.Name, one.ID, one.State, one.Step))
		}
	}
	if len(busy) > 0 && !slices.ContainsFunc(s.fresh, func(one ops.Saga) bool { return one.State == saga.Paused }) {
		s.busy = strings.Join(busy, "; ") // the rest need not be asked
		return s
	}
	lag, err := lagOf(ctx, all)
	if err != nil {
		s.failed = oneLine(err)
		return s
	}
	for _, o := range lag.Outboxes {
		if o.Waiting > 0 {
			busy = append(busy, fmt.Sprintf("%d messages wait in the outbox of %s", o.Waiting, o.Service))
		}
	}
	for _, g := range lag.Groups {
		if g.Lag > 0 {
			busy = append(busy, fmt.Sprintf("%d messages wait for %s", g.Lag, g.Name))
		}
	}
	for _, p := range lag.Parked {
		if p.Waiting > 0 && p.Attempts > 0 { // others wait for a time of their own
			busy = append(busy, fmt.Sprintf("%d parked messages of %s are to be tried again", p.Waiting, p.Group))
		}
		if before := d.dead[p.Service+"/"+p.Group]; p.Dead > before {
			s.parked = fmt.Sprintf("%d messages of %s are parked for a person", p.Dead-before, p.Group)
		}
	}
	s.busy = strings.Join(busy, "; ")
	return s
}

// asked is whom to ask: services that are to have no instance keep nobody waiting.
func (d *drive) asked() *ops.Fleet {
	all := ops.Of(d.cfg.Fleet.Status())
	all.Services = slices.DeleteFunc(all.Services, func(one ops.Service) bool { return one.Stopped })
	return all
}

// lagOf is what waits; in a fleet without a broker of the platform's what waits in outboxes
// and parking tables.
func lagOf(ctx context.Context, all *ops.Fleet) (ops.Lag, error) {
	lag, err := all.Lag(ctx)
	if joined, ok := err.(interface{ Unwrap() []error }); ok && all.Broker == "" {
		err = errors.Join(slices.DeleteFunc(slices.Clone(joined.Unwrap()), func(err error) bool { return errors.Is(err, ops.ErrNoBroker) })...)
	}
	return lag, err
}

// learn makes what came known.
func (d *drive) learn(s seen) {
	for _, one := range s.fresh {
		d.known[one.ID] = true
	}
}

// remember takes what is there already for none of the drill's doing.
func (d *drive) remember(ctx context.Context) error {
	all := d.asked()
	list, _, err := all.Sagas(ctx, saga.Filter{Name: d.cfg.Saga, Limit: 1000})
	if err != nil {
		return err
	}
	for _, one := range list {
		d.known[one.ID] = true
	}
	lag, err := lagOf(ctx, all)
	for _, p := range lag.Parked {
		d.dead[p.Service+"/"+p.Group] = p.Dead
	}
	return err
}

// check asks what the user wants to hold, until it does or had time enough to.
func (d *drive) check(ctx context.Context) error {
	var last error
	_, ok := live.Until(ctx, min(settles, d.cfg.Within), func() bool {
		last = d.cfg.Check(ctx)
		return last == nil
	})
	switch {
	case ok:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("the check does not hold: %w", last)
}

// takeovers are how long after a death others went on with what had begun by then.
func (d *drive) takeovers(ctx context.Context, fresh []ops.Saga, died time.Time) (list []time.Duration, err error) {
	all := d.asked()
	for _, one := range fresh {
		detail, failed := all.Saga(ctx, ops.SagaName{Service: d.keeper, Name: one.Name, ID: one.ID})
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		if took, ok := tookOver(detail.Detail, died.Truncate(time.Millisecond)); ok {
			list = append(list, took)
		}
	}
	return list, err
}

// tookOver is how long it took until something happened to a saga after the death of the
// process that had it in hand; false when none had: it waited for an answer, had ended, or
// had not begun.
func tookOver(one saga.Detail, died time.Time) (time.Duration, bool) {
	if !one.Created.Before(died) {
		return 0, false
	}
	last := ""
	for _, ev := range one.History {
		if ev.At.After(died) {
			return ev.At.Sub(died), last != "waits"
		}
		last = ev.Outcome
	}
	return 0, false
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }
