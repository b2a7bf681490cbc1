package admission

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// streamBound is how long a stream counts at most: one that has sent nothing for so long
// waits for something to happen.
const streamBound = time.Second

// Unary admits unary calls before their handlers see them. The priority comes from the
// metadata key of [resilience.PriorityHeader] and is in the handler's context; the
// deadline is grpc-timeout's. Who is turned away gets RESOURCE_EXHAUSTED with RetryInfo and
// [resilience.ShedHeader] in the trailer, or DEADLINE_EXCEEDED; who asks for more than
// Config.Quota lets it, RESOURCE_EXHAUSTED with RetryInfo alone. Health checks
// (grpc.health.v1) are always let in and not counted.
func (c *Controller) Unary() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if operatingCall(info.FullMethod) {
			return handle(ctx, req)
		}
		ctx, slot, err := c.admit(ctx)
		if err != nil {
			return nil, err
		}
		outcome := Failed // when the handler panics
		defer func() { slot.End(outcome) }()
		res, err := handle(context.WithValue(ctx, slotKey{}, slot), req)
		outcome = judge(ctx, err)
		return res, err
	}
}

// Stream admits streams as [Controller.Unary] admits calls. A stream counts until it
// sends its first message, asks its client for a second one, or is 1 s old: a stream
// that goes on is no work in itself.
func (c *Controller) Stream() grpc.StreamServerInterceptor {
	return func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		if operatingCall(info.FullMethod) {
			return handle(srv, s)
		}
		ctx, slot, err := c.admit(s.Context())
		if err != nil {
			return err
		}
		timer := time.AfterFunc(streamBound, func() { slot.End(Failed) })
		outcome := Failed
		defer func() { timer.Stop(); slot.End(outcome) }()
		err = handle(srv, &stream{ServerStream: s, ctx: context.WithValue(ctx, slotKey{}, slot), slot: slot})
		outcome = judge(ctx, err)
		return err
	}
}

func (c *Controller) admit(ctx context.Context) (context.Context, *Slot, error) {
	p := resilience.PriorityOf(ctx)
	md, _ := metadata.FromIncomingContext(ctx)
	if err := c.within(md); err != nil {
		return ctx, nil, err
	}
	if v := md.Get(resilience.PriorityHeader); len(v) == 1 {
		p, _ = resilience.ParsePriority(v[0]) // Normal where it is none
		ctx = resilience.WithPriority(ctx, p)
	}
	slot, err := c.Admit(ctx, p)
	if shed, ok := errors.AsType[*Shed](err); ok {
		if shed.busy() {
			_ = grpc.SetTrailer(ctx, metadata.Pairs(resilience.ShedHeader, "1")) // outside a server there is none
		}
		err = problem.ToGRPC(shed.problem(problem.ResourceExhausted))
	}
	return ctx, slot, err
}

// within holds the caller that md names to its quota.
func (c *Controller) within(md metadata.MD) error {
	if !c.quota.On() {
		return nil
	}
	name := ""
	if v := md.Get(discovery.CallerHeader); len(v) == 1 {
		name = v[0]
	}
	if over, ok := errors.AsType[*quota.Over](c.quota.Admit(time.Now(), name)); ok {
		return problem.ToGRPC(over.Problem())
	}
	return nil
}

func judge(ctx context.Context, err error) Outcome {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Late
	case err != nil || ctx.Err() != nil:
		return Failed
	}
	return Done
}

func operatingCall(method string) bool { return strings.HasPrefix(method, "/grpc.health.v1.") }

// stream gives its slot back when it has become a stream.
type stream struct {
	grpc.ServerStream
	ctx      context.Context //nolint:containedctx // grpc-go has no other way to give a stream a context
	slot     *Slot
	received atomic.Int32
}

func (s *stream) Context() context.Context { return s.ctx }

func (s *stream) SendMsg(m any) error {
	s.slot.End(Done)
	return s.ServerStream.SendMsg(m)
}

func (s *stream) RecvMsg(m any) error {
	if s.received.Add(1) == 2 {
		s.slot.End(Done)
	}
	return s.ServerStream.RecvMsg(m)
}
