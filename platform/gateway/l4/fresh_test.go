package l4_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// queue is a listener at which connections come by hand.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error {
	select {
	case <-q.closed:
	default:
		close(q.closed)
	}
	return nil
}

func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

// An instance that joins one that is busy gets all new connections until it has as many,
// and then its part: those that came before stay where they are, so that a slow start
// would leave it with few for as long as they last.
func TestOneThatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet := &rig{views: map[string]*discovery.View{}}
		const a, b = "127.0.0.1:1", "127.0.0.1:2"
		dialed := make(chan string)
		p, err := l4.New(l4.Config{
			Resolver: fleet, Routes: l4.Routes{Default: l4.Target{Service: "db"}},
			Dial: func(_ context.Context, addr string) (net.Conn, error) {
				near, far := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, far) }()
				dialed <- addr
				return near, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		q := &queue{conns: make(chan net.Conn), closed: make(chan struct{})}
		served := make(chan error, 1)
		go func() { served <- p.Serve(q) }()
		var clients []net.Conn
		get := func(n int) (of string) {
			for range n {
				client, conn := net.Pipe()
				clients = append(clients, client)
				q.conns <- conn
				of += map[string]string{a: "a", b: "b"}[<-dialed]
				synctest.Wait()
			}
			return of
		}
		fleet.add("db", a)
		get(20)
		time.Sleep(time.Minute)
		fleet.add("db", a, b)
		if of := get(20); of != strings.Repeat("b", 20) {
			t.Errorf("the first went to %s", of)
		}
		if of := get(20); strings.Count(of, "b") != 10 {
			t.Errorf("the next went to %s", of)
		}
		for _, c := range clients {
			_ = c.Close()
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
