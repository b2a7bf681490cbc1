package gateway

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/handover"
	"github.com/musterdev/muster/platform/gateway/l4"
	"github.com/musterdev/muster/platform/gateway/local"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
)

// DefaultDrain is how long an edge that handed over lets its requests and streams go on.
const DefaultDrain = 10 * time.Minute

// moveWithin is how long clients have to go over to the next process by themselves, each
// with the next answer it gets. Connections that are silent for so long are closed.
const moveWithin = 3 * time.Second

// succession is how one edge follows another without a gap.
type succession struct {
	socket *net.UnixListener // the one taken over; the edge before may need it again
	taken  *handover.Taken   // from the edge before; nil: none
	given  []handover.Named  // what the next one gets
	left   chan successor    // the next one serves
	last   bool              // another process has asked for the listeners: nothing changes here; guarded by edge.mu
}

// successor is the process that took over.
type successor struct {
	conn  net.Conn
	drain time.Duration // how long what is under way may go on here
}

// leaver is an Engine that can make the next answer of each connection its last.
type leaver interface{ Leave() }

// takeOver asks the edge that serves for its listeners. Without one this edge begins as any.
func (e *edge) takeOver(ctx context.Context, closing *closers) {
	e.left = make(chan successor, 1)
	if e.cfg.TakeOver == "" {
		return
	}
	taken, err := handover.Take(ctx, e.cfg.TakeOver, cmp.Or(e.cfg.Drain, DefaultDrain))
	if err != nil {
		e.log.Warn("nothing is taken over: the edge starts as if it were the first", "socket", e.cfg.TakeOver, "error", err)
		return
	}
	closing.add(taken.Close)
	e.taken = taken
}

// listenAt takes an address over, or listens there, and notes it for the next process. kind
// says what for. given is used instead, where there is one.
func (e *edge) listenAt(ctx context.Context, kind, addr string, given net.Listener) (net.Listener, error) {
	name, l := kind+" "+addr, given
	if l == nil {
		l = e.taken.Listener(name)
	}
	if l == nil {
		var err error
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr); err != nil {
			return nil, fmt.Errorf("the edge cannot listen on %s: %w: choose another port or end the program that has it", addr, err)
		}
	}
	e.given = append(e.given, handover.Named{Name: name, Listener: l})
	return l, nil
}

// listenLocal does so for the port of calls by name, which has two addresses.
func (e *edge) listenLocal(ctx context.Context) (net.Listener, error) {
	four, six := fmt.Sprint("local ", e.cfg.Local), fmt.Sprint("local6 ", e.cfg.Local)
	l := e.taken.Listener(four)
	if l == nil {
		var err error
		if l, err = local.Listen(ctx, e.cfg.Local); err != nil {
			return nil, err
		}
	} else if more := e.taken.Listener(six); more != nil {
		l = local.Join(l, more)
	}
	for i, part := range local.Parts(l) {
		e.given = append(e.given, handover.Named{Name: []string{four, six}[i], Listener: part})
	}
	return l, nil
}

// listenTCP does so for a port of connections that are not HTTP. These come and go: who
// hands over asks for those there are.
func (e *edge) listenTCP(ctx context.Context, addr string) (net.Listener, error) {
	if l := e.taken.Listener(tcpName(addr)); l != nil {
		return l, nil
	}
	return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
}

func tcpName(addr string) string { return "tcp " + addr }

// succeed is the end of taking over: the edge before is told that this one serves, and when
// it accepts no more, its orders come here.
func (e *edge) succeed() error {
	if e.taken == nil {
		return nil
	}
	if err := e.taken.Serving(); err != nil {
		return err
	}
	if e.socket != nil {
		e.socket.SetUnlinkOnClose(true)
	}
	e.log.Info("took over from the edge before", "socket", e.cfg.TakeOver)
	return nil
}

// handOver gives the listeners to another process that asks at the admin socket.
func (e *edge) handOver(w http.ResponseWriter, r *http.Request) {
	drain, err := handover.Asked(r)
	if err != nil {
		problem.Write(w, r, problem.Wrap(err, problem.InvalidArgument, "%s", err))
		return
	}
	e.mu.Lock()
	err = e.mayChange()
	e.last = true // nothing changes here that the next process would not know of
	e.mu.Unlock()
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	if !e.answer(w, drain) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.last = false
	}
}

// mayChange returns an Unavailable error while another process takes over; e.mu is held.
func (e *edge) mayChange() error {
	if e.last {
		return problem.New(problem.Unavailable, "another process takes this edge's place: ask again").WithRetryAfter(time.Second)
	}
	return nil
}

// answer gives the listeners, and reports whether the other process serves them.
func (e *edge) answer(w http.ResponseWriter, drain time.Duration) bool {
	conn, err := handover.Accept(w)
	if err != nil {
		e.log.Warn("nothing was handed over: this edge goes on", "error", err)
		return false
	}
	list := e.given
	for addr, l := range e.tcp.Listeners() {
		list = append(list, handover.Named{Name: tcpName(addr), Listener: l})
	}
	e.log.Info("another process asks for the listeners", "listeners", len(list))
	if err := handover.Answer(conn, list); err != nil {
		e.log.Warn("nothing was handed over: this edge goes on", "error", err)
		_ = conn.Close() // whoever it was has been told by that
		return false
	}
	select {
	case e.left <- successor{conn, drain}:
	default:
		_ = conn.Close() // this edge ends already
	}
	return true
}

// leave accepts no more, tells the next process so, and lets clients go over to it: each
// connection ends with the next answer it gets. ctx ends the wait.
func (e *edge) leave(ctx context.Context, to successor, listeners []net.Listener, engines []Engine) {
	e.log.Info("another process has taken over: what is under way goes on here", "in_flight", e.gateway.InFlight(), "drain", to.drain.String())
	for _, l := range listeners {
		if unix, ok := l.(*net.UnixListener); ok {
			unix.SetUnlinkOnClose(false) // the next process has the same socket
		}
		_ = l.Close() // this process's part of it
	}
	if err := e.tcp.Set(ctx, nil); err != nil {
		e.log.Warn("the ports of connections are still open", "error", err)
	}
	for _, engine := range engines {
		if l, ok := engine.(leaver); ok {
			l.Leave()
		}
	}
	if err := handover.Left(to.conn); err != nil {
		e.log.Warn("the next process could not be told", "error", err)
	}
	move := time.NewTimer(min(moveWithin, to.drain))
	defer move.Stop()
	select {
	case <-move.C:
	case <-ctx.Done():
	}
}

// awaitConnections waits until no connection that is not HTTP is open, or ctx ends.
func (e *edge) awaitConnections(ctx context.Context) {
	const often = 50 * time.Millisecond
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		open := int64(0)
		for _, p := range e.tcp.List() {
			open += p.Stats.Open
		}
		if open == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// inherit asks for what the edge before knew and kept nowhere: which instances drain, and
// its table and its ports where no file has them.
func (e *edge) inherit(ctx context.Context) {
	if e.taken == nil {
		return
	}
	old := admin.NewClient(e.cfg.TakeOver)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if s, err := old.Status(ctx); err == nil {
		for _, id := range s.Draining {
			e.drain.Mark(id)
		}
	}
	if e.cfg.Routes == "" {
		if doc, err := old.Document(ctx); err == nil {
			e.inheritTable(doc)
		}
	}
	if e.cfg.TCPFile != "" {
		return
	}
	if list, err := old.TCP(ctx); err == nil {
		e.cfg.TCP = map[string]l4.Routes{}
		for _, p := range list {
			if !p.Closed {
				e.cfg.TCP[p.Listen] = p.Routes
			}
		}
	}
}

// inheritTable takes the table of the edge before, unless this one's file has one: then it
// counts, as it does at any start, and who gave orders since is told that they are lost.
func (e *edge) inheritTable(doc snapshot.Document) {
	if e.cfg.Table == nil {
		e.cfg.Table = &doc
		return
	}
	before, err := json.Marshal(doc)
	now, err2 := json.Marshal(e.cfg.Table)
	if err != nil || err2 != nil || !bytes.Equal(before, now) {
		e.log.Warn("the table of the file takes the place of that of the edge before, which is another; " +
			"what the admin API is told is kept only where the file names one for it: routes")
	}
}
