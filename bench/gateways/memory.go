package gateways

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	idle   = 8000 // connections; fewer than a process may have files, with room for the upstream's
	ways   = 1000 // routes
	settle = 3 * time.Second
)

// idleConnection returns what a connection costs, in bytes of a peer's memory, that has asked
// once and is kept.
func (w *world) idleConnection(ctx context.Context, peer string) (bytes float64, err error) {
	of := work{path: "/1k"}
	p, err := w.run(ctx, peer, of)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if _, err := p.answers(ctx, p.url+of.path); err != nil {
		return 0, err
	}
	if _, err := w.wrk(ctx, p.url+of.path, of, warm); err != nil { // so that its pools are filled
		return 0, err
	}
	before, err := w.memoryOf(ctx, p)
	if err != nil {
		return 0, err
	}
	open, err := openMany(ctx, strings.TrimPrefix(p.url, "http://"), of.path, idle)
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	if err != nil {
		return 0, err
	}
	after, err := w.memoryOf(ctx, p)
	runtime.KeepAlive(open)
	return float64(after-before) / idle, err
}

// memoryOf waits for a while in which nothing is asked, and returns a proxy's memory.
func (w *world) memoryOf(ctx context.Context, p *proxy) (int64, error) {
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	u, err := use(p.pid(), w.upstream.pid())
	return u.memory, err
}

// openMany opens connections, eight at a time, and asks once by each.
func openMany(ctx context.Context, addr, path string, n int) (open []net.Conn, err error) {
	open = make([]net.Conn, n)
	errs := make([]error, 8)
	var next atomic.Int64
	var opening sync.WaitGroup
	for w := range errs {
		opening.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				open[i], errs[w] = askOnce(ctx, addr, path)
			}
		})
	}
	opening.Wait()
	for len(open) > 0 && open[len(open)-1] == nil {
		open = open[:len(open)-1]
	}
	return open, errors.Join(errs...)
}

func askOnce(ctx context.Context, addr, path string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(30 * time.Second)) // it is open
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, addr); err != nil {
		return c, err
	}
	var head strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return c, fmt.Errorf("an answer for a connection that is to be idle: %w", err)
		}
		head.Write(buf[:n])
		if top, body, whole := strings.Cut(head.String(), "\r\n\r\n"); whole && len(body) == 1<<10 {
			if !strings.HasPrefix(top, "HTTP/1.1 200") {
				return c, fmt.Errorf("a connection that is to be idle was answered %.80q", top)
			}
			return c, nil
		}
	}
}

// routes returns what 1,000 routes cost, in bytes of the edge's memory.
func (w *world) routes(ctx context.Context) (float64, error) {
	var with [2]int64
	for i, n := range []int{0, ways} {
		of := work{path: "/1k", ways: n}
		p, err := w.run(ctx, muster, of)
		if err != nil {
			return 0, err
		}
		_, err = p.answers(ctx, p.url+of.path)
		if err == nil {
			with[i], err = w.memoryOf(ctx, p)
		}
		if err := errors.Join(err, p.stop()); err != nil {
			return 0, err
		}
	}
	return float64(with[1] - with[0]), nil
}
