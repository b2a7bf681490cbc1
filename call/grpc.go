package call

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/internal/link"
	"github.com/musterdev/muster/call/internal/pool"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/problem"
)

// IdempotencyKey is the gRPC metadata key that marks a call as repeatable; HTTP has
// the header Idempotency-Key.
const IdempotencyKey = "idempotency-key"

// Dial returns a gRPC connection to a service: each call goes to the instance
// chosen for it. It connects at the first call and needs no closing. Calls that
// declare idempotency_level or carry [IdempotencyKey] are repeated at another
// instance when one dies; others only when nothing was sent.
func (c *Caller) Dial(service string) grpc.ClientConnInterface {
	return &conn{caller: c, service: service}
}

type conn struct {
	caller  *Caller
	service string
}

// Invoke makes one unary call.
func (c *conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	u := &unary{conn: c, args: args, reply: reply, opts: opts}
	ctx, to, op := c.enter(ctx, method)
	// Attempts that overlap have a message each. Without a hedge only those made beside
	// another may run on when the call has returned; the others have the caller's own.
	op.inline = to.Hedge() == nil
	u.set(c.caller, to, op, u)
	u.message, _ = reply.(proto.Message)
	u.alone = u.message == nil || slices.ContainsFunc(opts, writes)
	u.within(ctx)
	answer, err := u.do(ctx)
	if answer, ok := answer.(proto.Message); ok && err == nil && answer != u.message {
		proto.Reset(u.message)
		proto.Merge(u.message, answer)
	}
	return asStatus(err)
}

// writes reports whether an option has the call write somewhere: two attempts would do
// so at once.
func writes(o grpc.CallOption) bool {
	switch o.(type) {
	case grpc.HeaderCallOption, grpc.TrailerCallOption, grpc.PeerCallOption, grpc.OnFinishCallOption:
		return true
	}
	return false
}

// unary is one unary call; its attempts may overlap.
type unary struct {
	course[any]

	conn        *conn
	args, reply any
	message     proto.Message // reply, where it is one
	opts        []grpc.CallOption

	failed   atomic.Pointer[Failed] // why there is another attempt
	progress link.Progress          // of the first attempt
	limited  limited
}

func (*unary) discard(any) {}

func (u *unary) attempt(ctx context.Context, t *Ticket) (any, error) {
	defer t.Done()
	into, p, bounded := u.reply, &u.progress, &u.limited
	if t != &u.ticket {
		p, bounded = &link.Progress{}, &limited{}
	}
	if !u.alone && (!u.op.inline || t.beside) {
		into = u.message.ProtoReflect().New().Interface()
	}
	if !u.limit.IsZero() {
		*bounded = limited{ctx, u.limit, u}
		ctx = bounded
	}
	ctx, cc, err := u.conn.ready(ctx, t)
	if err != nil {
		return into, err
	}
	if err = cc.Invoke(ctx, u.op.Name, u.args, into, p.Follow(u.opts)...); err == nil {
		return into, nil
	}
	switch late := u.late(u.ctx); {
	case p.Answered():
	case errors.Is(late, context.DeadlineExceeded) && !p.Sent() && !u.sent.Load():
		return into, u.unsent(u.reason(err), "service %q (%s at %s): no connection for %s", u.op.Service, t.Instance.ID, t.Addr, u.op.Name)
	case status.Code(err) == codes.Canceled && u.expired.Load():
		err = status.Errorf(codes.DeadlineExceeded, "service %q (%s at %s) gave no answer to %s within %s",
			u.op.Service, t.Instance.ID, t.Addr, u.op.Name, u.limit.Sub(u.began))
	}
	f := failed(p, t, err)
	u.failed.Store(f)
	return into, f
}

// reason is why nothing could be sent: what an attempt before says, if there was one.
func (u *unary) reason(err error) error {
	if before := u.failed.Load(); before != nil {
		return before.Err
	}
	return problem.FromGRPC(err)
}

// enter returns what a call begins with.
func (c *conn) enter(ctx context.Context, method string) (context.Context, *pool.Target, Op) {
	to := c.caller.pool(c.service).Rules().Matching(method)
	md, _ := metadata.FromOutgoingContext(ctx) // a copy
	md, stamped := c.caller.stamp(ctx, md)
	md, told := c.caller.who.Metadata(ctx, md)
	if stamped || told {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	op := Op{Service: c.service, Name: method, Endpoint: discovery.GRPC}
	if keys := md.Get(IdempotencyKey); len(keys) > 0 && keys[0] != "" {
		op.Idempotent = true
	} else {
		op.Idempotent = c.caller.methods.Idempotent(method)
	}
	if to.By != "" {
		if v := md.Get(to.By); len(v) > 0 {
			op.Key = v[0]
		}
	}
	if len(c.caller.cfg.GRPC) > 0 { // what they are may ask whom the call is for; nobody else does
		ctx = observe.WithPeer(ctx, c.service)
	}
	return ctx, to, op
}

// ready returns the connection for an attempt and its context with the token.
func (c *conn) ready(ctx context.Context, t *Ticket) (context.Context, *grpc.ClientConn, error) {
	token, err := c.caller.cfg.Tokens.Token(ctx, c.service)
	if err != nil {
		return ctx, nil, noToken(err, c.service)
	}
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	cc, err := t.member.Conn(func() (*grpc.ClientConn, error) {
		return link.GRPC(t.Addr, c.caller.cfg.Dial, c.caller.tls(c.service), c.caller.cfg.GRPC)
	})
	if err != nil {
		return ctx, nil, &Failed{Err: err}
	}
	return ctx, cc, nil
}

// asStatus returns a call's error as callers of gRPC expect it: one with a status.
func asStatus(err error) error {
	if failed, ok := errors.AsType[*Failed](err); ok {
		err = failed.Err
	}
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return problem.ToGRPC(err)
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	if code := status.FromContextError(err).Code(); code != codes.Unknown {
		return status.Error(code, err.Error())
	}
	return err
}

// failed is an attempt that ended with err.
func failed(p *link.Progress, t *Ticket, err error) *Failed {
	t.outcome = link.StatusOutcome(err)
	sent := p.Sent()
	return &Failed{Err: err, Failure: resilience.Failure{
		Sent: sent, Answered: p.Answered(),
		Final: !sent && status.Code(err) != codes.Unavailable, // such as a message that cannot be written
	}}
}
