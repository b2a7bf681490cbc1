package relay

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/upstream"
)

// askPatience is how long a client that asked whether its body is wanted waits for an
// instance that does not say: some know nothing of being asked.
const askPatience = time.Second

// writtenWithin is how long the last write of a body may take that was answered already.
const writtenWithin = 20 * time.Millisecond

// upload sends a body that did not come with its head, on a goroutine of its own: the
// instance may answer meanwhile.
type upload struct {
	session *session
	wanted  chan struct{} // closed once the body may be read; nil: at once
	once    sync.Once

	mu       sync.Mutex // guards the client's connection against an answer that begins
	answered bool

	begun bool
	ended chan struct{} // closed when nothing more is sent
	read  atomic.Bool   // to its end
	done  atomic.Bool   // it was sent to its end
	waits atomic.Bool   // for the client
	err   atomic.Pointer[error]
}

func newUpload(s *session) *upload {
	u := &upload{session: s, ended: make(chan struct{})}
	if s.turn.Head.Expect100 {
		u.wanted = make(chan struct{})
	}
	return u
}

// want lets the body be read: the instance asked for it, or its answer has begun, or nobody
// waits any more.
func (u *upload) want() {
	if u != nil && u.wanted != nil {
		u.once.Do(func() { close(u.wanted) })
	}
}

// begin sends the body on a connection whose instance has the head. It is begun once only.
func (u *upload) begin(c *upstream.Conn) {
	u.begun = true
	ended := u.session.turn.Reading()
	go func() {
		defer close(u.ended) // after the engine knows that nobody reads the body any more
		defer ended()
		if err := u.send(c); err != nil {
			u.err.Store(&err)
			c.Interrupt() // the instance cannot answer what it never had
		}
	}()
}

// send returns why the client's body could not be read.
func (u *upload) send(c *upstream.Conn) error {
	u.untilWanted()
	t := u.session.turn
	for {
		u.allow(t.Patience(), true)
		p, err := t.Piece()
		u.allow(u.session.relay.cfg.AnswerTimeout, false)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		u.read.Store(err != nil)
		if len(p) > 0 {
			if _, broken := c.Write(p); broken != nil {
				return nil //nolint:nilerr // it may have answered before it closed the connection: who reads finds out
			}
		}
		if u.read.Load() {
			u.done.Store(true)
			u.allow(u.session.relay.cfg.AnswerTimeout, false)
			return nil
		}
	}
}

// allow gives the wait for the answer another d, of the time that the client allows. An
// answer that has begun may be silent for as long as it likes. client says whether it is the
// client that is waited for; of a wait that was ended stays said who it was.
func (u *upload) allow(d time.Duration, client bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.answered {
		if u.session.turn.Extend(u.session.within(d)) {
			u.waits.Store(client)
		}
	}
}

// untilWanted waits until the body is asked for, or nobody can tell, and asks the client.
func (u *upload) untilWanted() {
	if u.wanted == nil {
		return
	}
	timer := time.NewTimer(askPatience)
	defer timer.Stop()
	select {
	case <-u.wanted:
	case <-timer.C:
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.answered && u.session.turn.Context().Err() == nil {
		u.session.turn.Continue()
	}
}

// answer says that the final answer is written from now on.
func (u *upload) answer() {
	if u == nil {
		return
	}
	u.mu.Lock()
	u.answered = true
	u.mu.Unlock()
	u.want()
}

// sent reports whether nothing of the body is left, where there is one.
func (u *upload) sent() bool {
	return u == nil || u.over() && u.done.Load()
}

// over reports whether the body was read to its end and nothing of it is still being sent.
func (u *upload) over() bool {
	if u.done.Load() {
		<-u.ended // or the engine would take it for one that is still being read
		return true
	}
	if !u.read.Load() {
		return false
	}
	// The last of it is being written: an instance that answers it may be the quicker one.
	soon := time.NewTimer(writtenWithin)
	defer soon.Stop()
	select {
	case <-u.ended:
		return true
	case <-soon.C:
		return false
	}
}

// stalled reports whether it was the client that was waited for.
func (u *upload) stalled() bool { return u != nil && u.waits.Load() }

// failed returns why the body could not be read; nil: it could.
func (u *upload) failed() error {
	if u == nil {
		return nil
	}
	if err := u.err.Load(); err != nil {
		return *err
	}
	return nil
}
