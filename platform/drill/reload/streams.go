package reload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/musterdev/muster/call/resilience"
)

// perConn is how many gRPC streams share a connection.
const perConn = 50

// openAtOnce bounds how many streams are being opened at the same time.
const openAtOnce = 50

// opening bounds how long one stream may take to its first message.
const opening = 30 * time.Second

// maxNotes bounds how many ends are told.
const maxNotes = 5

// streams are open through the edge and say something again and again.
type streams struct {
	addr string // host:port of the edge
	http *http.Client
	life context.Context //nolint:containedctx // of the streams: ends when they are to
	end  context.CancelFunc
	work sync.WaitGroup

	open, said atomic.Int64
	closed     atomic.Int64 // by others than us

	mu    sync.Mutex
	notes []string
}

// conversation is one stream: it says the number n and waits until that is heard back.
type conversation func(n int64) error

// openStreams opens n streams, a third of each kind, and returns when each has had its first message.
func openStreams(ctx context.Context, addr string, n int) (*streams, error) {
	s := &streams{addr: addr, http: &http.Client{Transport: &http.Transport{MaxIdleConns: n, MaxIdleConnsPerHost: n}}}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	slots, failed := make(chan struct{}, openAtOnce), make(chan error, n)
	var first sync.WaitGroup
	var conn *grpc.ClientConn
	for i := range n {
		kind := s.socket
		switch i % 3 {
		case 1:
			kind = s.events
		case 2:
			if i/3%perConn == 0 {
				var err error
				if conn, err = s.dial(); err != nil {
					return nil, err
				}
			}
			shared := conn
			kind = func(ctx context.Context) (string, conversation, error) { return s.chat(ctx, shared) }
		}
		slots <- struct{}{}
		first.Add(1)
		s.work.Go(func() {
			name, talk, err := s.begin(kind)
			first.Done()
			<-slots
			if err != nil {
				failed <- fmt.Errorf("open a stream (%s): %w", name, err)
				return
			}
			s.talk(name, talk)
		})
		if ctx.Err() != nil {
			break
		}
	}
	first.Wait()
	select {
	case err := <-failed:
		s.close()
		return nil, err
	default:
	}
	if ctx.Err() != nil {
		s.close()
	}
	return s, ctx.Err()
}

// close ends the streams, which is not counted.
func (s *streams) close() {
	s.end()
	s.work.Wait()
	s.http.CloseIdleConnections()
}

// begin opens a stream and has its first message.
func (s *streams) begin(kind func(context.Context) (string, conversation, error)) (string, conversation, error) {
	late := time.AfterFunc(opening, s.end) // all end: one that cannot be opened is no drill
	defer late.Stop()
	name, talk, err := kind(s.life)
	if err == nil {
		err = talk(1)
	}
	return name, talk, err
}

// talk keeps a stream going until it is closed, by whomever.
func (s *streams) talk(name string, talk conversation) {
	s.open.Add(1)
	defer s.open.Add(-1)
	pause := time.NewTimer(rand.N(beat))
	defer pause.Stop()
	for n := int64(2); ; n++ {
		select {
		case <-pause.C:
		case <-s.life.Done():
			return
		}
		answered := make(chan error, 1)
		go func() { answered <- talk(n) }()
		var err error
		select {
		case err = <-answered:
		case <-time.After(patience):
			err = fmt.Errorf("nothing was heard for %s", patience)
		}
		if s.life.Err() != nil {
			return
		}
		if err != nil {
			s.note(name, n, err)
			return
		}
		s.said.Add(1)
		pause.Reset(beat)
	}
}

func (s *streams) note(name string, n int64, err error) {
	s.closed.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notes) < maxNotes {
		s.notes = append(s.notes, fmt.Sprintf("a stream (%s) was closed after %d messages: %v", name, n-1, err))
	}
}

// ends returns what is known of streams that were closed.
func (s *streams) ends() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.notes
}

func (s *streams) socket(ctx context.Context) (string, conversation, error) {
	c, res, err := websocket.Dial(ctx, "ws://"+s.addr+socketPath, &websocket.DialOptions{HTTPClient: s.http})
	if res != nil && res.Body != nil {
		_ = res.Body.Close() // of an answer that was no upgrade
	}
	if err != nil {
		return "WebSocket", nil, err
	}
	context.AfterFunc(s.life, func() { _ = c.CloseNow() })
	return "WebSocket", func(n int64) error {
		text := fmt.Sprint("message ", n)
		if err := c.Write(s.life, websocket.MessageText, []byte(text)); err != nil {
			return err
		}
		_, b, err := c.Read(s.life)
		if err == nil && string(b) != text {
			err = fmt.Errorf("said %q, heard %q", text, b)
		}
		return err
	}, nil
}

func (s *streams) events(ctx context.Context) (string, conversation, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+eventsPath, nil)
	if err != nil {
		return "events", nil, err
	}
	res, err := s.http.Do(r)
	if err != nil {
		return "events", nil, err
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close() // it is not wanted
		return "events", nil, fmt.Errorf("it answers %s", res.Status)
	}
	context.AfterFunc(s.life, func() { _ = res.Body.Close() })
	lines := bufio.NewReader(res.Body)
	return "events", func(n int64) error { // the service sends them in its own time
		line, err := lines.ReadString('\n')
		if err != nil {
			return err
		}
		if want := fmt.Sprintf("data: %d\n", n); line != want {
			return fmt.Errorf("heard %q, not %q", line, want)
		}
		_, err = lines.ReadString('\n')
		return err
	}, nil
}

// dial makes a connection of its own, not one that is shared by its address.
func (s *streams) dial() (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///"+s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(s.life, func() { _ = conn.Close() })
	return conn, nil
}

func (*streams) chat(ctx context.Context, conn *grpc.ClientConn) (string, conversation, error) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, chatPath)
	return "gRPC", func(n int64) error {
		if err := stream.SendMsg(wrapperspb.Int64(n)); err != nil {
			return err
		}
		var m wrapperspb.Int64Value
		err := stream.RecvMsg(&m)
		if err == nil && m.GetValue() != n {
			err = fmt.Errorf("said %d, heard %d", n, m.GetValue())
		}
		return err
	}, err
}

// errTurnedAway is a request that the edge did not let in, as the machine has more to do than
// it can. It is told so, and nothing was sent: that is no failure of what is tried here.
var errTurnedAway = errors.New("turned away: the machine is behind")

// post asks the service a question that no client sends a second time.
func post(ctx context.Context, client *http.Client, addr, text string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+loadPath, strings.NewReader(text))
	if err != nil {
		return err
	}
	r.GetBody = nil // else net/http would send it again on another connection
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
	switch {
	case err != nil:
		return err
	case res.Header.Get(resilience.ShedHeader) != "":
		return errTurnedAway
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("it answers %s: %.200s", res.Status, b)
	case string(b) != text:
		return fmt.Errorf("said %q, heard %q", text, b)
	}
	return nil
}
