package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// Listen takes a port of the loopback interface, of IPv4 and, where there is one, of IPv6:
// programs differ in what they take localhost for. Port 0 takes any that is free.
func Listen(ctx context.Context, port int) (net.Listener, error) {
	var lc net.ListenConfig
	four, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("the local proxy cannot listen on port %d: %w: choose another port or end the program that has it", port, err)
	}
	if at, ok := four.Addr().(*net.TCPAddr); ok {
		port = at.Port
	}
	six, err := lc.Listen(ctx, "tcp6", net.JoinHostPort("::1", strconv.Itoa(port)))
	if err != nil { // there is no IPv6, or another program has the port of that address
		return four, nil //nolint:nilerr // who says 127.0.0.1 is served
	}
	return Join(four, six), nil
}

// Join makes one listener of two, such as those that were taken over from another process.
func Join(four, six net.Listener) net.Listener {
	l := &both{Listener: four, six: six, accepted: make(chan accepted), closed: make(chan struct{})}
	go l.accept(four)
	go l.accept(six)
	return l
}

// Parts returns the listeners that a listener was joined from, or itself.
func Parts(l net.Listener) []net.Listener {
	if b, ok := l.(*both); ok {
		return []net.Listener{b.Listener, b.six}
	}
	return []net.Listener{l}
}

// both is two listeners as one; its address is that of the first.
type both struct {
	net.Listener

	six      net.Listener
	accepted chan accepted
	closed   chan struct{}
	once     sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

func (b *both) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		select {
		case b.accepted <- accepted{conn, err}:
		case <-b.closed:
			if conn != nil {
				_ = conn.Close() // nobody will serve it
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// Accept implements net.Listener.
func (b *both) Accept() (net.Conn, error) {
	select {
	case a := <-b.accepted:
		return a.conn, a.err
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (b *both) Close() error {
	var err error
	b.once.Do(func() {
		close(b.closed)
		err = errors.Join(b.Listener.Close(), b.six.Close())
	})
	return err
}
