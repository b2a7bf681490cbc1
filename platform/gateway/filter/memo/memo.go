// Package memo remembers what was found out about something, such as a token, by its
// SHA-256: for a bounded time, in bounded memory, read by all goroutines without a lock.
package memo

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Key is the SHA-256 of what something is remembered of. It must be one: the table relies
// on its bits.
type Key = [sha256.Size]byte

// ways is how many entries share a place of the table: eight pointers are a cache line.
const ways = 8

// locks is how many writers can change the table at the same time.
const locks = 64

// Memo remembers values. It is safe for concurrent use; a reader takes no lock and writes
// to no memory that others read, but for the first read of an entry.
type Memo[V any] struct {
	places []place[V] // their number is a power of two
	locks  [locks]sync.Mutex
	room   int64        // in bytes; 0: no bound
	held   atomic.Int64 // bytes
	count  atomic.Int64
	hand   atomic.Uint64 // the place where room is made next

	mu     sync.Mutex
	flying map[Key]*flight[V]
}

type place[V any] struct {
	entries [ways]atomic.Pointer[entry[V]]
}

// entry does not change once it is in the table.
type entry[V any] struct {
	key   Key
	until int64 // Unix time in nanoseconds
	size  int64
	value V
	used  atomic.Bool // since the hand came by
}

// flight is a value that is being found out.
type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// New returns a memo of at most so many entries, rounded up to a power of two of at least 8,
// and at most so many bytes by the sizes that [Memo.Put] is told; 0 bytes: no bound but that
// of the entries.
func New[V any](entries int, bytes int64) *Memo[V] {
	n := 1 << bits.Len(uint(max(entries, 1)-1)/ways)
	return &Memo[V]{places: make([]place[V], n), room: bytes, flying: map[Key]*flight[V]{}}
}

// Get returns what is remembered, and whether anything is.
func (m *Memo[V]) Get(key *Key, now time.Time) (value V, found bool) {
	p := &m.places[m.index(key)]
	for i := range p.entries {
		e := p.entries[i].Load()
		if e == nil || e.key != *key {
			continue
		}
		if e.until <= now.UnixNano() {
			return value, false
		}
		if !e.used.Load() { // a store each time would take the line from other cores
			e.used.Store(true)
		}
		return e.value, true
	}
	return value, false
}

// Put remembers a value until then. size is about what it takes in memory, in bytes.
func (m *Memo[V]) Put(key *Key, value V, size int64, now, until time.Time) {
	if !until.After(now) || m.room > 0 && size > m.room {
		return
	}
	e := &entry[V]{key: *key, until: until.UnixNano(), size: size, value: value}
	at := m.index(key)
	m.change(at, func(p *place[V]) {
		slot := p.slot(key, now.UnixNano())
		m.replace(&p.entries[slot], e)
	})
	for turns := 0; m.room > 0 && m.held.Load() > m.room && turns < 2*len(m.places); turns++ {
		m.sweep(now.UnixNano(), e)
	}
}

// Drop forgets one.
func (m *Memo[V]) Drop(key *Key) {
	m.change(m.index(key), func(p *place[V]) {
		for i := range p.entries {
			if e := p.entries[i].Load(); e != nil && e.key == *key {
				m.replace(&p.entries[i], nil)
			}
		}
	})
}

// Clear forgets all.
func (m *Memo[V]) Clear() {
	for at := range m.places {
		m.change(uint64(at), func(p *place[V]) {
			for i := range p.entries {
				m.replace(&p.entries[i], nil)
			}
		})
	}
}

// Len returns how many are remembered, those among them whose time is over and whose place
// nobody has needed yet.
func (m *Memo[V]) Len() int { return int(m.count.Load()) }

// Do finds out what is not remembered: of those that come with one key at the same time, one
// calls find, and the others wait for what it finds. It is not told of the end of ctx, which
// is that of one of them, and so bounds itself. What is to be remembered it puts itself. The
// error is that of find, or of ctx while it waits.
func (m *Memo[V]) Do(ctx context.Context, key Key, find func(ctx context.Context) (V, error)) (V, error) {
	m.mu.Lock()
	f, found := m.flying[key]
	if !found {
		f = &flight[V]{done: make(chan struct{})}
		m.flying[key] = f
	}
	m.mu.Unlock()
	if found {
		select {
		case <-f.done:
			return f.value, f.err
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		}
	}
	f.err = context.Canceled // what the others get should find panic
	defer func() {
		m.mu.Lock()
		delete(m.flying, key)
		m.mu.Unlock()
		close(f.done)
	}()
	f.value, f.err = find(context.WithoutCancel(ctx))
	return f.value, f.err
}

func (m *Memo[V]) index(key *Key) uint64 {
	return binary.LittleEndian.Uint64(key[:]) & uint64(len(m.places)-1) //nolint:gosec // there is one at least
}

func (m *Memo[V]) change(at uint64, f func(p *place[V])) {
	lock := &m.locks[at%locks]
	lock.Lock()
	defer lock.Unlock()
	f(&m.places[at])
}

// replace is called with the place's lock held.
func (m *Memo[V]) replace(at *atomic.Pointer[entry[V]], e *entry[V]) {
	old := at.Load()
	at.Store(e)
	if old != nil {
		m.held.Add(-old.size)
		m.count.Add(-1)
	}
	if e != nil {
		m.held.Add(e.size)
		m.count.Add(1)
	}
}

// slot returns where an entry goes: in place of that of the same key, where there is none, of
// one that is over, of one that nobody read lately, of any.
func (p *place[V]) slot(key *Key, now int64) int {
	free, idle := -1, -1
	for i := range p.entries {
		e := p.entries[i].Load()
		switch {
		case e != nil && e.key == *key:
			return i // also one that is over: there must not be two
		case e == nil || e.until <= now:
			if free < 0 {
				free = i
			}
		case !e.used.Load():
			if idle < 0 {
				idle = i
			}
		}
	}
	switch {
	case free >= 0:
		return free
	case idle >= 0:
		return idle
	}
	for i := range p.entries {
		p.entries[i].Load().used.Store(false)
	}
	return int(key[8]) % ways
}

// sweep makes room: the entries of the next place that are over or were not read since the
// hand came by last are forgotten.
func (m *Memo[V]) sweep(now int64, spare *entry[V]) {
	at := (m.hand.Add(1) - 1) & uint64(len(m.places)-1) //nolint:gosec // there is one at least
	m.change(at, func(p *place[V]) {
		for i := range p.entries {
			e := p.entries[i].Load()
			if e == nil || e == spare {
				continue
			}
			if e.until <= now || !e.used.Swap(false) {
				m.replace(&p.entries[i], nil)
			}
			if m.held.Load() <= m.room {
				return
			}
		}
	})
}
