package fault

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	pieceSize = 32 << 10 // bytes read at once
	pieces    = 64       // read ahead and held in each direction
	// pacedFor is how long a piece written under a bandwidth lasts, so that the rate is
	// even over short times too.
	pacedFor = 10 * time.Millisecond
)

// link is one connection and its continuation to the target.
type link struct {
	proxy  *Proxy
	caller *net.TCPConn
	began  time.Time
	silent bool        // never answered
	lost   atomic.Bool // bytes were swallowed: it must not go on when that is over
	done   chan struct{}
	once   sync.Once

	mu     sync.Mutex
	random *rand.Rand
	target *net.TCPConn // nil before it is dialled
}

// piece is what was read at once, or the end.
type piece struct {
	data []byte
	err  error // io.EOF, or what broke the connection
	at   time.Time
	lot  float64 // of its jitter
}

func newLink(p *Proxy, caller *net.TCPConn, random *rand.Rand) *link {
	return &link{proxy: p, caller: caller, began: time.Now(), random: random, done: make(chan struct{})}
}

// run passes the connection on until both directions have ended.
func (l *link) run() {
	defer l.proxy.forget(l)
	if l.silent {
		<-l.done
		return
	}
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(l.proxy.ctx, "tcp", l.proxy.target)
	if err != nil {
		l.proxy.count.unreached.Add(1)
		if errors.Is(err, syscall.ECONNREFUSED) {
			l.proxy.targetAway()
		}
		l.reset()
		return
	}
	target, ok := conn.(*net.TCPConn)
	if !ok || !l.join(target) {
		_ = conn.Close() // the caller has gone meanwhile
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pass(l.caller, target, true) })
	both.Go(func() { l.pass(target, l.caller, false) })
	both.Wait()
	l.end(func(c *net.TCPConn) { _ = c.Close() }) // both ends were passed on before
}

// join makes target part of the link unless that has ended.
func (l *link) join(target *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.done:
		return false
	default:
		l.target = target
		return true
	}
}

// end closes both connections in the given way and reports whether it was the first to.
func (l *link) end(closing func(*net.TCPConn)) (first bool) {
	l.once.Do(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		close(l.done)
		closing(l.caller)
		if l.target != nil {
			closing(l.target)
		}
		first = true
	})
	return first
}

// reset ends the link so that both peers see an error.
func (l *link) reset() {
	if l.end(abort) {
		l.proxy.count.reset.Add(1)
	}
}

// lose notes that bytes were swallowed. When the blackhole ended meanwhile, nobody else
// ends the link any more.
func (l *link) lose() {
	l.lost.Store(true)
	if !l.proxy.state.Load().Blackhole {
		l.reset()
	}
}

// pass carries one direction until its end.
func (l *link) pass(from, to *net.TCPConn, up bool) {
	queue := make(chan piece, pieces)
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(queue)
		l.read(from, queue, up)
	})
	l.write(to, queue, up)
	for range queue { // the reader must not wait for a writer that has left
	}
	reading.Wait()
}

// read takes what comes and stamps it. Under a stall it takes nothing, so that the
// sender's window closes as it would with a peer that hangs.
func (l *link) read(from *net.TCPConn, queue chan<- piece, up bool) {
	buf := make([]byte, pieceSize)
	for {
		if !l.wait(func(t *setting) (time.Time, bool) { return time.Time{}, t.stream(up).Stall }) {
			return
		}
		n, err := from.Read(buf)
		p := piece{data: append([]byte(nil), buf[:n]...), err: err, at: time.Now()}
		l.mu.Lock()
		p.lot = l.random.Float64()
		l.mu.Unlock()
		select {
		case queue <- p:
		case <-l.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// write gives each piece its turn.
func (l *link) write(to *net.TCPConn, queue <-chan piece, up bool) {
	passed, paced := int64(0), time.Time{}
	for p := range queue {
		due := func(t *setting) (time.Time, bool) {
			at := p.at
			if ready := l.began.Add(t.Handshake); t.Handshake > 0 && ready.After(at) {
				at = ready
			}
			at = at.Add(t.stream(up).delay(p.lot))
			if p.err != nil {
				at = at.Add(t.SlowClose)
			}
			return at, t.stream(up).Stall && !t.Blackhole
		}
		if !l.wait(due) {
			return
		}
		for len(p.data) > 0 {
			n, ok := l.some(to, p.data, up, passed, &paced)
			if !ok {
				return
			}
			passed += int64(n)
			p.data = p.data[n:]
		}
		if p.err != nil && !l.finish(to, p.err) {
			return
		}
	}
}

// some passes on as much of data as the toxics let pass at once, and returns how much.
func (l *link) some(to *net.TCPConn, data []byte, up bool, passed int64, paced *time.Time) (int, bool) {
	if !l.wait(func(t *setting) (time.Time, bool) {
		s := t.stream(up)
		if s.Bandwidth == 0 {
			return time.Time{}, s.Stall && !t.Blackhole
		}
		return *paced, s.Stall && !t.Blackhole
	}) {
		return 0, false
	}
	t := l.proxy.state.Load()
	if t.Blackhole {
		l.lose()
		return len(data), true
	}
	s := t.stream(up)
	n := len(data)
	if s.Bandwidth > 0 {
		n = min(n, max(1, int(float64(s.Bandwidth)*pacedFor.Seconds())))
	}
	breaks := s.ResetAfter > 0 && passed+int64(n) >= s.ResetAfter
	if breaks {
		n = int(max(0, s.ResetAfter-passed))
	}
	if n > 0 {
		if _, err := to.Write(data[:n]); err != nil {
			l.reset() // the receiver went away: the sender is to see it
			return 0, false
		}
		l.passed(n, up)
	}
	if breaks {
		l.reset()
		return 0, false
	}
	if s.Bandwidth > 0 {
		// A debt of the past is forgiven after one piece, else a pause became a burst.
		began := time.Now()
		if late := began.Sub(*paced); late < pacedFor {
			began = *paced
		}
		*paced = began.Add(time.Duration(float64(n) / float64(s.Bandwidth) * float64(time.Second)))
	}
	return n, true
}

func (l *link) passed(n int, up bool) {
	if up {
		l.proxy.count.up.Add(int64(n))
	} else {
		l.proxy.count.down.Add(int64(n))
	}
}

// finish passes the end of a direction on and reports whether the other may go on.
func (l *link) finish(to *net.TCPConn, err error) bool {
	if l.proxy.state.Load().Blackhole {
		l.lose()
		<-l.done // until the blackhole is over: the peer hears of no end
		return false
	}
	if !errors.Is(err, io.EOF) || to.CloseWrite() != nil {
		l.reset()
		return false
	}
	return true
}

// wait returns when its time has come by the toxics of the moment, which may change
// meanwhile, and false when the link ended first.
func (l *link) wait(due func(*setting) (at time.Time, stalled bool)) bool {
	for {
		t := l.proxy.state.Load()
		at, stalled := due(t)
		left := time.Until(at)
		switch {
		case stalled:
			left = MaxDelay // a change comes first, or the stall is looked at again
		case left <= 0:
			return true
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-t.changed:
		case <-l.done:
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}

func (t *setting) stream(up bool) Stream {
	if up {
		return t.Up
	}
	return t.Down
}
