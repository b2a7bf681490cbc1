package call

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/internal/link"
	"github.com/musterdev/muster/call/resilience"
)

// NewStream opens one stream. The instance counts as loaded until the stream ends
// or its context is done; then it is told how the stream went.
func (c *conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, to, op := c.enter(ctx, method)
	o := &opening{conn: c, desc: desc, opts: opts}
	o.set(c.caller, to, op, o)
	o.alone = true
	s, err := o.do(ctx)
	if err != nil {
		return nil, asStatus(err)
	}
	return s, nil
}

// opening is the call that opens a stream.
type opening struct {
	course[*stream]

	conn *conn
	desc *grpc.StreamDesc
	opts []grpc.CallOption
}

func (*opening) discard(*stream) {} // none comes too late

func (o *opening) attempt(ctx context.Context, t *Ticket) (*stream, error) {
	ctx, cc, err := o.conn.ready(ctx, t)
	if err != nil {
		return nil, err
	}
	// The stream's own context is not asked for: that would end grpc-go's right to
	// begin a stream again that the server never saw.
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{many: o.desc.ServerStreams, ctx: ctx, cancel: cancel, of: o, ticket: t}
	if s.ClientStream, err = cc.NewStream(ctx, o.desc, o.op.Name, s.progress.Follow(o.opts)...); err != nil {
		cancel()
		return nil, failed(&s.progress, t, err)
	}
	t.silent = true // a stream is there before the instance has said a word
	context.AfterFunc(ctx, func() { s.end(ctx.Err()) })
	return s, nil
}

// stream is one that is open.
type stream struct {
	grpc.ClientStream

	many     bool            // answers; else the first is the last
	ctx      context.Context //nolint:containedctx // the stream's
	cancel   context.CancelFunc
	of       *opening
	ticket   *Ticket
	progress link.Progress
	once     sync.Once
}

// RecvMsg receives one message.
func (s *stream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil || !s.many {
		s.end(err)
	}
	return err
}

// end tells once how the stream went: well when the peer ended it, and nothing of the
// instance when the caller did.
func (s *stream) end(err error) {
	s.once.Do(func() {
		f, o := resilience.Failure{Sent: true}, balance.OK
		if err != nil && !errors.Is(err, io.EOF) {
			// Only grpc-go's own goroutine that ended the stream has filled the progress in.
			if f.Timeout = s.ctx.Err() != nil; !f.Timeout {
				f.Answered = s.progress.Answered()
			}
			o = outcome(f, link.StatusOutcome(err), false)
		}
		s.ticket.member.Ended(time.Now(), o)
		s.of.target.Counts.Attempt(o, f)
		s.ticket.Done()
		s.cancel()
	})
}
