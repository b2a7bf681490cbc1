package otlp

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// How long a sender is asked to wait where nobody says better.
const (
	retryBusy = time.Second     // the requests under way are too many
	retryFull = 5 * time.Second // the store cannot take it
)

// take works on one request in protobuf. A request is charged for, by reserve, before.
func (r *Receiver) take(ctx context.Context, sig string, body []byte) (outcome, error) {
	var out outcome
	var err error
	var damaged bool
	switch {
	case sig == Metrics && r.Metrics == nil, sig != Metrics && r.Sink == nil:
		r.tally.request("unsupported")
		return out, problem.New(problem.Unimplemented, "this receiver takes no %s", sig)
	case sig == Metrics:
		out, damaged, err = r.metrics(ctx, body)
	default:
		out, damaged, err = r.items(ctx, sig, body)
	}
	if err != nil {
		return out, err
	}
	r.tally.request("taken")
	if r.Forward != nil {
		if damaged {
			body = wire.Clean(body, wire.Request(sig).ProtoReflect().Descriptor())
		}
		r.Forward(sig, body)
	}
	return out, nil
}

func malformed(err error) error {
	return problem.Wrap(err, problem.InvalidArgument, "%v: send an OTLP request of the path's signal, in the form that Content-Type names", err)
}

// items takes spans or log records.
func (r *Receiver) items(ctx context.Context, sig string, body []byte) (out outcome, damaged bool, err error) {
	lim := r.Limits.withDefaults()
	text := string(body) // the one copy: all texts of the batch are parts of it
	items, _, err := wire.Count(sig, text)
	if err != nil {
		r.tally.request("malformed")
		return out, false, malformed(err)
	}
	room := min(items, int64(lim.Items))
	release, err := r.charge(room*itemCost, lim)
	if err != nil {
		return out, false, err
	}
	defer release()
	now := r.now()
	g := &gate{
		lim: lim, now: now, ledger: newLedger(), tally: &r.tally, parts: r.newParts(int64(len(body))+room*itemCost, lim),
		first: now.Add(-lim.Old).UnixNano(), last: now.Add(lim.Ahead).UnixNano(),
	}
	defer g.parts.release()
	var b signal.Batch
	unit := Spans
	if sig == Traces {
		b.Spans = make([]signal.Span, 0, room)
		err = wire.Spans(text, wire.Limits{Value: lim.Value, List: lim.Attributes}, func(s *signal.Span, m wire.Meta) {
			if g.admit(&s.Service, m, s.Start, m.End) {
				b.Spans = append(b.Spans, *s)
			}
		})
	} else {
		unit = Records
		b.Logs = make([]signal.Log, 0, room)
		err = wire.Records(text, wire.Limits{Value: lim.Value, List: lim.Attributes}, func(l *signal.Log, m wire.Meta) {
			if l.Time == 0 { // no clock of the sender: ours
				l.Time = now.UnixNano()
			}
			if g.admit(&l.Service, m, l.Time, l.Time) {
				b.Logs = append(b.Logs, *l)
			}
		})
	}
	if err != nil {
		r.tally.request("malformed")
		return out, false, malformed(err)
	}
	if g.parts.busy {
		return out, false, r.busy()
	}
	if len(b.Spans)+len(b.Logs) > 0 {
		err = r.guarded(func() error { return r.Sink(ctx, b) })
	}
	out, err = r.settle(ctx, sig, unit, g.ledger, "", err)
	return out, g.repairs&wire.BadText != 0, err
}

// settle counts what became of a request, by the sink's error.
func (r *Receiver) settle(ctx context.Context, sig, unit string, l *ledger, detail string, err error) (outcome, error) {
	var answer error
	switch again, ok := retryable(err); {
	case err == nil:
		l.stored()
	case ok:
		l.returned()
		r.tally.request("returned")
		r.log().DebugContext(ctx, "telemetry was sent back", "signal", sig, "error", err)
		answer = again
	default:
		l.failed(DropFailed)
		r.tally.request("failed")
		r.log().ErrorContext(ctx, "telemetry was dropped: it could not be stored", "signal", sig, "error", err)
		answer = problem.Wrap(err, problem.Internal, "the %s could not be stored and were dropped: see the receiver's log", unit)
	}
	out := l.outcome(unit, detail)
	r.tally.settle(unit, l)
	return out, answer
}

// retryable returns the answer to a sender that shall send again, if err asks for that.
func retryable(err error) (*problem.Error, bool) {
	if err == nil {
		return nil, false
	}
	e := problem.From(err)
	switch e.Code {
	case problem.Unavailable, problem.ResourceExhausted, problem.DeadlineExceeded, problem.Canceled:
		if e.RetryAfter <= 0 {
			e = e.WithRetryAfter(retryFull)
		}
		if e.Code == problem.DeadlineExceeded || e.Code == problem.Canceled { // no code that every sender tries again on
			e = problem.Wrap(err, problem.Unavailable, "the store did not take it in time: send it again").WithRetryAfter(e.RetryAfter)
		}
		return e, true
	}
	return nil, false
}

// guarded calls a sink and makes a panic an error.
func (r *Receiver) guarded(sink func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = problem.Recovered(p)
		}
	}()
	return sink()
}

// gate decides which items of one request come in.
type gate struct {
	lim         Limits
	now         time.Time
	first, last int64 // the times that are believed, ns since 1970
	ledger      *ledger
	tally       *tally
	repairs     wire.Repair
	kept        int
	parts       parts

	sent  string // the service of the item before, as it was sent
	known string // and as it is kept; "" where there are too many
}

// admit counts an item, sets its service to the kept copy of the name, and reports
// whether the item comes in.
func (g *gate) admit(service *string, m wire.Meta, start, end int64) bool {
	g.repairs |= m.Repairs
	if !g.parts.charge(m.Parts) {
		return false // the whole request is sent back
	}
	if g.sent != *service || g.sent == "" {
		g.sent = *service
		g.known, _ = g.tally.known(g.sent, g.lim.Services, g.now)
	}
	if g.known == "" {
		c := g.ledger.of(OtherServices)
		c.Received++
		c.drop(DropServices, 1)
		return false
	}
	*service = g.known
	c := g.ledger.of(g.known)
	c.Received++
	why := ""
	switch {
	case m.BadID:
		why = DropID
	case start < g.first || end > g.last || start > g.last:
		why = DropClock
	case m.Size > g.lim.Item:
		why = DropLarge
	case g.kept >= g.lim.Items:
		why = DropMany
	}
	if why != "" {
		c.drop(why, 1)
		return false
	}
	g.kept++
	g.ledger.repairs(m.Repairs)
	return true
}

// decode reads a metrics request, cleaning its texts where that is what is wrong.
func decode(body []byte, req proto.Message) (damaged bool, err error) {
	if err = proto.Unmarshal(body, req); err == nil {
		return false, nil
	}
	clean := wire.Clean(body, req.ProtoReflect().Descriptor())
	proto.Reset(req)
	if again := proto.Unmarshal(clean, req); again != nil {
		return false, errors.Join(wire.ErrMalformed, err)
	}
	return true, nil
}
