package balancetest

import "math"

// server is one replica.
type server struct {
	workers    float64
	discipline Discipline
	speed      float64
	at         int64   // up to when served is right
	served     float64 // what each running call has got since the beginning, in ns of work
	running    heap[job]
	waiting    []job // Queue only
	version    int   // of the next completion told; older ones no longer hold

	// What it reports with its answers: exponential means over completions.
	meanLatency, meanRunning float64
}

// job is a call on a server; due is the value of served at which it is done.
type job struct {
	due   float64
	call  int
	begun int64
	work  float64
}

func (j job) before(o job) bool { return j.due < o.due } //nolint:unused // heap asks for it

func (s *server) inFlight() int { return len(s.running) + len(s.waiting) }

// rate is how fast served grows.
func (s *server) rate() float64 {
	if s.discipline == Queue || len(s.running) == 0 {
		return s.speed
	}
	return s.speed * min(1, s.workers/float64(len(s.running)))
}

func (s *server) advance(now int64) {
	s.served += float64(now-s.at) * s.rate()
	s.at = now
}

func (s *server) accept(now int64, j job) {
	s.advance(now)
	j.begun = now
	if s.discipline == Queue && float64(len(s.running)) >= s.workers {
		s.waiting = append(s.waiting, j)
		return
	}
	j.due = s.served + j.work
	s.running.push(j)
}

// finish takes the job that is done at now.
func (s *server) finish(now int64) job {
	s.advance(now)
	n := float64(s.inFlight())
	j := s.running.pop()
	s.served = max(s.served, j.due)
	if len(s.waiting) > 0 {
		next := s.waiting[0]
		s.waiting = s.waiting[1:]
		next.due = s.served + next.work
		s.running.push(next)
	}
	const keep = 0.98
	if s.meanLatency == 0 {
		s.meanLatency, s.meanRunning = float64(now-j.begun), n
	}
	s.meanLatency = keep*s.meanLatency + (1-keep)*float64(now-j.begun)
	s.meanRunning = keep*s.meanRunning + (1-keep)*n
	return j
}

// next is when the next job is done.
func (s *server) next() int64 {
	if len(s.running) == 0 {
		return math.MaxInt64
	}
	return s.at + int64(math.Ceil(max(0, s.running[0].due-s.served)/s.rate()))
}

// heap is a binary heap, least first.
type heap[T interface{ before(T) bool }] []T

func (h *heap[T]) push(v T) {
	*h = append(*h, v)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if !s[i].before(s[up]) {
			break
		}
		s[i], s[up] = s[up], s[i]
		i = up
	}
}

func (h *heap[T]) pop() T {
	s := *h
	top := s[0]
	n := len(s) - 1
	s[0] = s[n]
	s = s[:n]
	*h = s
	for i := 0; ; {
		down := 2*i + 1
		if down >= n {
			return top
		}
		if down+1 < n && s[down+1].before(s[down]) {
			down++
		}
		if !s[down].before(s[i]) {
			return top
		}
		s[i], s[down] = s[down], s[i]
		i = down
	}
}
