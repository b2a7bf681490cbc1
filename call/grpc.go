package call

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/internal/carry"
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
	to := c.target(method)
	if _, has := ctx.Deadline(); (!has || to.told) && to.timeout() > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, to.timeout())
		defer cancel()
	}
	first, overlap := reply.(proto.Message)
	if !overlap || slices.ContainsFunc(opts, writes) {
		_, err := invoke(ctx, c, to, method, false, func(ctx context.Context, t *Ticket, cc *grpc.ClientConn) (any, error) {
			defer t.Done()
			return nil, cc.Invoke(ctx, method, args, reply, opts...)
		}, nil)
		return err
	}
	// Attempts that overlap have a message each. Without a hedge only those made beside
	// another may run on when the call has returned; the others have the caller's own.
	inline := to.Hedge() == nil
	answer, err := invoke(ctx, c, to, method, inline, func(ctx context.Context, t *Ticket, cc *grpc.ClientConn) (proto.Message, error) {
		defer t.Done()
		into := first
		if !inline || t.beside {
			into = first.ProtoReflect().New().Interface()
		}
		return into, cc.Invoke(ctx, method, args, into, opts...)
	}, func(proto.Message) {})
	if err == nil && answer != first {
		proto.Reset(first)
		proto.Merge(first, answer)
	}
	return err
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

func (c *conn) target(method string) *target {
	return c.caller.target(Op{Service: c.service, Name: method})
}

// NewStream opens one stream. The instance counts as loaded until the stream ends
// or its context is done.
func (c *conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return invoke(ctx, c, c.target(method), method, false, func(ctx context.Context, t *Ticket, cc *grpc.ClientConn) (grpc.ClientStream, error) {
		// The stream's own context is not asked for: that would end grpc-go's right to
		// begin a stream again that the server never saw.
		ctx, cancel := context.WithCancel(ctx)
		s, err := cc.NewStream(ctx, desc, method, opts...)
		if err != nil {
			cancel()
			return nil, err
		}
		done := sync.OnceFunc(func() { t.Done(); cancel() })
		context.AfterFunc(ctx, done)
		t.silent = true // a stream is there before the instance has said a word
		return &heldStream{ClientStream: s, many: desc.ServerStreams, done: done}, nil
	}, nil)
}

type heldStream struct {
	grpc.ClientStream
	many bool // answers; else the first is the last
	done func()
}

func (s *heldStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil || !s.many {
		s.done()
	}
	return err
}

// invoke makes one call; inline as for Op, discard as for do.
func invoke[T any](ctx context.Context, c *conn, to *target, method string, inline bool,
	attempt func(context.Context, *Ticket, *grpc.ClientConn) (T, error), discard func(T),
) (T, error) {
	ctx = carry.WithPriority(observe.WithPeer(c.caller.stampedContext(ctx), c.service))
	op := Op{Service: c.service, Name: method, Endpoint: discovery.GRPC, Idempotent: idempotent(ctx, method), Key: metadataKey(ctx, to.by), inline: inline}
	answer, err := do(ctx, c.caller, to, op, func(ctx context.Context, t *Ticket) (answer T, err error) {
		ctx, err = c.caller.authorize(ctx, c.service)
		if err != nil {
			return answer, noToken(err, c.service)
		}
		cc, err := c.caller.conn(t)
		if err != nil {
			return answer, &Failed{Err: err}
		}
		seen := &progress{}
		if answer, err = attempt(context.WithValue(ctx, progressKey{}, seen), t, cc); err != nil {
			sent := seen.sent.Load()
			t.outcome = grpcOutcome(err)
			return answer, &Failed{Err: err, Failure: resilience.Failure{
				Sent: sent, Answered: seen.answered.Load(),
				Final: !sent && status.Code(err) != codes.Unavailable, // such as a message that cannot be written
			}}
		}
		return answer, nil
	}, discard)
	if failed, ok := errors.AsType[*Failed](err); ok {
		err = failed.Err // a status, as callers of gRPC expect
	}
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return answer, problem.ToGRPC(err)
	}
	return answer, err
}

// metadataKey returns the first value of a key that a call carries.
func metadataKey(ctx context.Context, name string) string {
	if name == "" {
		return ""
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	if v := md.Get(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (c *Caller) authorize(ctx context.Context, service string) (context.Context, error) {
	token, err := c.cfg.Tokens.Token(ctx, service)
	if err != nil || token == "" {
		return ctx, err
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), nil
}

// minConnect is how long an attempt to connect may take.
const minConnect = 2 * time.Second

// conn returns the member's connection, opened at first use.
func (c *Caller) conn(t *Ticket) (*grpc.ClientConn, error) {
	m := t.member
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		return m.conn, nil
	}
	creds := insecure.NewCredentials()
	if cfg := c.tls(t.Instance.Service); cfg != nil {
		creds = credentials.NewTLS(cfg)
	}
	opts := append([]grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return c.cfg.Dial(ctx, addr) }),
		grpc.WithStatsHandler(watcher{}),
		// whoever is back is to be noticed soon, however long it was away
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: minConnect, Backoff: backoff.Config{
			BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second,
		}}),
		grpc.WithDisableServiceConfig(), // retries are decided in one place, here
	}, c.cfg.GRPC...)
	cc, err := grpc.NewClient("passthrough:///"+t.Addr, opts...)
	if err != nil {
		return nil, err
	}
	m.conn = cc
	return cc, nil
}

// progress is how far one attempt got.
type progress struct{ sent, answered atomic.Bool }

type progressKey struct{}

// watcher notes on the attempt's progress what the transport reports.
type watcher struct{}

func (watcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (watcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (watcher) HandleConn(context.Context, stats.ConnStats)                       {}

func (watcher) HandleRPC(ctx context.Context, s stats.RPCStats) {
	p, ok := ctx.Value(progressKey{}).(*progress)
	if !ok {
		return
	}
	switch s.(type) {
	case *stats.OutHeader:
		p.sent.Store(true)
	case *stats.InHeader, *stats.InTrailer:
		p.answered.Store(true)
	}
}

// idempotent reports whether a gRPC call may be repeated: its method declares it,
// or the call carries a key.
func idempotent(ctx context.Context, method string) bool {
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		if keys := md.Get(IdempotencyKey); len(keys) > 0 && keys[0] != "" {
			return true
		}
	}
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return false
	}
	opts, ok := d.Options().(*descriptorpb.MethodOptions)
	return ok && opts.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}
