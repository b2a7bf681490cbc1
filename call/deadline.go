package call

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/musterdev/muster/problem"
)

// DeadlineHeader carries the time a caller still waits, in whole milliseconds.
// (gRPC has its own: grpc-timeout.)
const DeadlineHeader = "Request-Timeout"

// maxDeadline is the longest time a caller says it waits.
const maxDeadline = 24 * time.Hour

// setDeadline writes the time left until ctx's deadline or until tell, where that is
// sooner and not zero; at least 1 ms.
func setDeadline(ctx context.Context, tell time.Time, h http.Header) {
	at, ok := ctx.Deadline()
	if !tell.IsZero() && (!ok || tell.Before(at)) {
		at, ok = tell, true
	}
	if !ok {
		return
	}
	left := min(time.Until(at), maxDeadline)
	h.Set(DeadlineHeader, strconv.FormatInt(max(1, left.Milliseconds()), 10))
}

// ReceiveDeadline gives each request's context the deadline its caller sent in
// [DeadlineHeader]. A value that is not a positive whole number is answered 400.
func ReceiveDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := r.Header.Get(DeadlineHeader)
		if v == "" {
			next.ServeHTTP(w, r)
			return
		}
		ms, err := strconv.ParseInt(v, 10, 64)
		if err != nil || ms <= 0 || ms > maxDeadline.Milliseconds() {
			problem.Write(w, r, problem.New(problem.InvalidArgument, "header %s is not a number of milliseconds from 1 to %d",
				DeadlineHeader, maxDeadline.Milliseconds()).WithField(DeadlineHeader, "out of range"))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), time.Duration(ms)*time.Millisecond)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

var errNoHeaders = errors.New("no answer in time")

// headerTimer bounds the wait for a response's headers without bounding its body,
// which may be a stream.
type headerTimer struct {
	ctx    context.Context //nolint:containedctx // its cause is asked for when the attempt has failed
	cancel func()
	timer  *time.Timer
	after  time.Duration
	tell   time.Time // what the peer is told; zero: ctx's own deadline, if it has one
}

// newHeaderTimer bounds a call that has no deadline, and where told is set one with a
// later deadline too, of which the peer learns.
func newHeaderTimer(ctx context.Context, after time.Duration, told bool) (context.Context, *headerTimer) {
	ctx, cancel := context.WithCancelCause(ctx)
	h := &headerTimer{ctx: ctx, cancel: func() { cancel(context.Canceled) }, after: after}
	at, has := ctx.Deadline()
	if after <= 0 || has && (!told || time.Until(at) <= after) {
		return ctx, h
	}
	if told {
		h.tell = time.Now().Add(after)
	}
	h.timer = time.AfterFunc(after, func() { cancel(errNoHeaders) })
	return ctx, h
}

// stop reports whether the headers came in time.
func (h *headerTimer) stop() bool { return h.timer == nil || h.timer.Stop() }

// explain gives a failed attempt the code a caller can branch on: the time was up,
// nobody was reached, or it is not known whether the call was carried out.
func (h *headerTimer) explain(err error, op Op, t *Ticket, sent bool) error {
	if errors.Is(context.Cause(h.ctx), errNoHeaders) {
		return problem.Wrap(context.DeadlineExceeded, problem.DeadlineExceeded,
			"service %q (%s at %s) gave no answer to %s within %s", op.Service, t.Instance.ID, t.Addr, op.Name, h.after)
	}
	switch {
	case h.ctx.Err() != nil:
		return fmt.Errorf("call %s of service %q at %s: %w", op.Name, op.Service, t.Addr, err)
	case sent:
		return problem.Wrap(err, problem.Unknown, "service %q (%s) broke off %s before it answered: it may have been carried out", op.Service, t.Instance.ID, op.Name)
	}
	return problem.Wrap(err, problem.Unavailable, "service %q (%s) cannot be reached", op.Service, t.Instance.ID)
}
