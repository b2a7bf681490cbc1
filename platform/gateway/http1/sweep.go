package http1

import "time"

// rare is how many sweeps go by between two looks at a client of a stream, or of a request that
// takes long: those are many and may last for hours.
const rare = 16

// long is the time, in milliseconds, after which who waits is told so.
const long = 1000

// restless is how long a connection is idle, in milliseconds, before it is nudged. That is for
// the end of a client that came together with its last request, which was told with that,
// and for the memory of its stack.
const restless = 100

// sweeping looks after the connections until the engine ends.
func (e *Engine) sweeping() {
	tick := e.cfg.tick()
	pause := time.NewTimer(tick)
	defer pause.Stop()
	var s sweep
	for {
		select {
		case <-pause.C:
		case <-e.stop:
			return
		}
		e.tell(time.Now())
		s.round++
		s.look(e)
		next := tick
		if e.busy.Load() == 0 && !s.young && tick == usual {
			next = slack
		}
		pause.Reset(next)
	}
}

// sweep is what one round works with.
type sweep struct {
	round int
	young bool // a connection is idle that was not nudged yet
	conns []*conn
	asked []*conn // whether their clients are there
	words []uint64
	fds   watched
}

func (s *sweep) look(e *Engine) {
	now := e.now.Load()
	s.conns = e.all(s.conns)
	s.asked, s.words, s.fds, s.young = s.asked[:0], s.words[:0], s.fds[:0], false
	for i, c := range s.conns {
		w := c.state.Load()
		if w&overdue != 0 {
			continue
		}
		if passed(w, now) {
			c.late(w)
			continue
		}
		if phaseOf(w) == idle && c.raw != nil && c.asked != w {
			if now <= until(w)-e.cfg.IdleTimeout.Milliseconds()+restless {
				s.young = true
				continue
			}
			c.asked = w
			c.nudge(w)
			continue
		}
		p := phaseOf(w)
		if p != waiting && p != writing || c.fd < 0 {
			c.seen = w
			continue
		}
		switch {
		case c.seen != w:
			if c.seen, c.since = w, now; p == writing {
				continue
			}
		case (s.round+i)%rare != 0: // it waits since the last sweep
			continue
		case p == writing && now-c.since <= long:
			continue
		case p == writing: // what is moved to the client may not come: that is a wait, too
		case now-c.since > long:
			c.slow(w)
		}
		s.asked, s.words, s.fds = append(s.asked, c), append(s.words, w), s.fds.add(c.fd)
	}
	for _, i := range s.fds.gone() {
		s.asked[i].left(s.words[i])
	}
	clear(s.conns)
	clear(s.asked)
}
