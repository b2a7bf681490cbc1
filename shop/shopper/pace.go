package shopper

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"
)

// pace spreads the requests of all shoppers evenly over time.
type pace struct {
	gap time.Duration // between two requests; 0: none

	mu   sync.Mutex
	next time.Time
}

func newPace(rate float64) *pace {
	p := &pace{}
	if rate > 0 {
		p.gap = time.Duration(float64(time.Second) / rate)
	}
	return p
}

// wait returns when the next request may begin, or when ctx ends.
func (p *pace) wait(ctx context.Context) {
	if p.gap == 0 {
		return
	}
	p.mu.Lock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now // time that nobody used is not made up for
	}
	at := p.next
	p.next = p.next.Add(p.gap)
	p.mu.Unlock()
	sleep(ctx, at.Sub(now))
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// newRun names a run; it is the only thing that differs between two with one seed.
func newRun() string { return strings.ToLower(rand.Text()[:10]) }
