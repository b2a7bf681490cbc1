package cache

import (
	"math"
	"sync/atomic"
	"time"
)

// entry is a value that is held, or the knowledge that there is none. Only seen and its
// place in the list change after it was put, so that it is read without a lock.
type entry[T any] struct {
	key   string
	value T
	found bool
	at    time.Time     // when it came
	until time.Time     // it is fresh before this,
	stale time.Time     // and may be served before this while loads fail
	again time.Time     // a load failed: none is tried before this
	cost  time.Duration // what fetching it took
	size  int64

	seen         atomic.Bool // asked for since the hand passed
	older, newer *entry[T]
}

func (e *entry[T]) fresh(now time.Time) bool { return now.Before(e.until) }

// held reports whether a stale entry is served without another try.
func (e *entry[T]) held(now time.Time) bool { return now.Before(e.again) && now.Before(e.stale) }

// early reports whether something that costs so much to fetch and is fresh for left
// should be fetched by now: XFetch, with beta and a random number of [0, 1).
func early(left, cost time.Duration, beta float64, random func() float64) bool {
	// The logarithm of the smallest number that random can return is above -37.
	if beta == 0 || float64(left) > 37*beta*float64(cost) {
		return false
	}
	return float64(left) <= -math.Log(1-random())*beta*float64(cost)
}

// store holds entries within bounds, by SIEVE: entries stand in the order in which
// they came, and a hand that goes from the oldest to the newest takes the first that was
// not asked for since it passed. It is not safe for concurrent use, but that get may be
// called by any number of goroutines while nobody changes it.
type store[T any] struct {
	entries   map[string]*entry[T]
	newest    *entry[T]
	oldest    *entry[T]
	hand      *entry[T]
	bytes     int64
	most      int
	mostBytes int64 // 0: no bound
	evicted   uint64
}

func (s *store[T]) get(key string) *entry[T] {
	e := s.entries[key]
	if e != nil && !e.seen.Load() { // a line of memory that is only read is nobody's to wait for
		e.seen.Store(true)
	}
	return e
}

// put holds an entry, in the place of the one with its key. One that is larger than all
// of the bound is not held.
func (s *store[T]) put(e *entry[T]) {
	old := s.entries[e.key]
	if s.mostBytes > 0 && e.size > s.mostBytes {
		s.remove(old)
		return
	}
	s.bytes += e.size
	s.entries[e.key] = e
	if old != nil {
		s.replace(old, e)
	} else {
		e.older = s.newest
		if s.newest != nil {
			s.newest.newer = e
		} else {
			s.oldest = e
		}
		s.newest = e
	}
	for len(s.entries) > s.most || s.mostBytes > 0 && s.bytes > s.mostBytes {
		s.evict(e)
	}
}

// replace gives e the place of old.
func (s *store[T]) replace(old, e *entry[T]) {
	s.bytes -= old.size
	e.seen.Store(true)
	e.older, e.newer = old.older, old.newer
	if e.older != nil {
		e.older.newer = e
	} else {
		s.oldest = e
	}
	if e.newer != nil {
		e.newer.older = e
	} else {
		s.newest = e
	}
	if s.hand == old {
		s.hand = e
	}
	old.older, old.newer = nil, nil
}

// evict removes one entry, which is not spared: what was just put stays.
func (s *store[T]) evict(spared *entry[T]) {
	e := s.hand
	for {
		if e == nil {
			e = s.oldest
		}
		if e != spared && !e.seen.Swap(false) {
			break
		}
		e = e.newer
	}
	s.hand = e
	s.remove(e)
	s.evicted++
}

// remove forgets an entry, which may be nil.
func (s *store[T]) remove(e *entry[T]) {
	if e == nil {
		return
	}
	delete(s.entries, e.key)
	s.bytes -= e.size
	if s.hand == e {
		s.hand = e.newer
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		s.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		s.newest = e.older
	}
	e.older, e.newer = nil, nil
}
