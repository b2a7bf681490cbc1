// Package ports chooses TCP ports on the loopback interface for children, and
// says who holds a fixed port that is taken.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// The range ports are chosen from. It lies below the ephemeral ranges of Linux
// (32768 up), macOS and Windows (49152 up), so that no outgoing connection of
// any program takes a port between our look and the child's bind.
const (
	lowest  = 20000
	highest = 31999
)

// rest is how long a freed port is not given out again: somebody may still
// believe that its last owner listens there.
const rest = time.Minute

// ErrExhausted is returned when no port is free.
var ErrExhausted = errors.New("no free port from 20000 to 31999 on 127.0.0.1")

// Pool gives out ports that nobody listens on. It is safe for concurrent use.
// The zero value is not ready; use NewPool.
type Pool struct {
	low, high int
	now       func() time.Time

	mu    sync.Mutex
	taken map[int]bool
	freed map[int]time.Time
}

// NewPool returns a Pool over 20000 to 31999.
func NewPool() *Pool {
	return &Pool{low: lowest, high: highest, now: time.Now, taken: map[int]bool{}, freed: map[int]time.Time{}}
}

// Take returns a port that is free now and that the pool gives to nobody else
// until Free. Ports are chosen at random, so that two pools seldom collide.
func (p *Pool) Take() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := p.high - p.low + 1
	for i, start := 0, rand.IntN(size); i < size; i++ {
		port := p.low + (start+i)%size
		if p.taken[port] || p.now().Sub(p.freed[port]) < rest || bindable(port) != nil {
			continue
		}
		p.taken[port] = true
		delete(p.freed, port)
		return port, nil
	}
	return 0, ErrExhausted
}

// Free gives ports back. Those that Take did not give are ignored.
func (p *Pool) Free(ports ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, port := range ports {
		if p.taken[port] {
			delete(p.taken, port)
			p.freed[port] = p.now()
		}
	}
}

// bindable returns why nobody could listen on the port now, or nil.
func bindable(port int) error {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return fmt.Errorf("close the trial listener on port %d: %w", port, err)
	}
	return nil
}
