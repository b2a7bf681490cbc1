package pool

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

// Probe asks one instance of a service whether it is there. It ends when ctx does.
type Probe func(ctx context.Context, service string, in *discovery.Instance) (well bool)

const (
	probePause = 500 * time.Millisecond // between two rounds of probes, give or take a quarter
	probeTime  = 800 * time.Millisecond // that an instance has to answer
	probesAt   = 8                      // a time
	probeLull  = 10 * time.Second       // without a call, after which nobody wants to know
)

// probes looks after the members that are not well, so that a call is not what finds out
// whether one is back. It runs only while there are such members and calls are made.
type probes struct {
	stop   context.CancelFunc // nil: it does not run
	closed bool
}

// probeIfNeeded has doubtful members probed; p.mu is held.
func (p *Pool) probeIfNeeded() {
	if p.cfg.Probe == nil || p.probes.stop != nil || p.probes.closed || !p.set.Doubt() {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	p.probes.stop = stop
	go p.probing(ctx)
}

// endProbes ends them for good; p.mu is held.
func (p *Pool) endProbes() {
	if p.probes.closed = true; p.probes.stop != nil {
		p.probes.stop()
	}
}

func (p *Pool) probing(ctx context.Context) {
	turn, called := p.turn.Load(), time.Now()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		now := time.Now()
		if t := p.turn.Load(); t != turn {
			turn, called = t, now
		}
		list, more := p.doubtful(now, ctx.Err() != nil || now.Sub(called) > probeLull)
		if !more {
			return
		}
		p.probeAll(ctx, list)
		pause.Reset(probePause*3/4 + rand.N(probePause/2)) // so that not all callers come at once
	}
}

// doubtful returns the members to be probed now. There is no more to do, and probing
// ends, when all members are well, or on demand.
func (p *Pool) doubtful(now time.Time, end bool) (list []*Member, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !end {
		p.refresh(now) // who is gone from the list is not asked for
		if list, more = p.doubts(now); !more {
			p.set.Settle()
			list, more = p.doubts(now) // what came to be known just then
		}
	}
	if !more {
		p.probes.stop()
		p.probes.stop = nil
	}
	return list, more
}

// doubts returns the members to be probed now, and whether one is not well.
func (p *Pool) doubts(now time.Time) (list []*Member, some bool) {
	for _, m := range p.members {
		some = some || m.Suspect(now) || m.Ejected(now)
		if m.Doubtful(now) {
			list = append(list, m)
		}
	}
	return list, some
}

// probeAll asks each of them once.
func (p *Pool) probeAll(ctx context.Context, list []*Member) {
	var all sync.WaitGroup
	room := make(chan struct{}, probesAt)
	for _, m := range list {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			in, cancel := context.WithTimeout(ctx, probeTime)
			defer cancel()
			well := p.cfg.Probe(in, p.Service, m.Instance())
			if well {
				m.wake() // or calls would find it gone for as long as that waits
			}
			if ctx.Err() == nil { // else that is why it failed
				m.Probed(time.Now(), well)
			}
		})
	}
	all.Wait()
}
