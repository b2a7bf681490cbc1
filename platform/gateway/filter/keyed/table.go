package keyed

import (
	"hash/maphash"
	"iter"
	"sync"
	"time"
)

// DefaultKeys is how many keys a Table keeps that is not told.
const DefaultKeys = 100_000

const (
	shards = 64
	crowd  = 16 // shared entries of a shard
	sweep  = 32 // entries that are looked at for one that may be forgotten
)

// Entry is what is kept for a key: an E whose pointer says whether it may be forgotten,
// because a new one would decide the same.
type Entry[E any] interface {
	*E
	Forgettable(now time.Time) bool
}

// Table keeps an E for each key. When there are as many as it may keep, new keys take the
// places of those that may be forgotten; when there is none, they share a few entries by
// chance: each of them is then held to what all of them ask together, so that what is
// limited stays limited. It is safe for concurrent use.
type Table[E any, P Entry[E]] struct {
	seed   maphash.Seed
	shards [shards]Shard[E, P]
}

// Shard is a part of a Table. It is locked while its entries are used.
type Shard[E any, P Entry[E]] struct {
	sync.Mutex

	index map[string]int32
	slots []slot[E]
	hand  int // where the next sweep begins
	most  int
	crowd [crowd]E

	_ [64]byte // no neighbour's lock in the same cache line
}

type slot[E any] struct {
	key   string
	entry E
}

// NewTable returns an empty Table for so many keys; 0 means [DefaultKeys].
func NewTable[E any, P Entry[E]](keys int) *Table[E, P] {
	if keys <= 0 {
		keys = DefaultKeys
	}
	t := &Table[E, P]{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].most = max(1, keys/shards)
		t.shards[i].index = map[string]int32{}
	}
	return t
}

// Lock locks the part of the table that a key belongs to and returns it with the key's
// entry, which is made when there is none. own is whether the entry is this key's alone.
// The entry must not be used after Unlock.
func (t *Table[E, P]) Lock(key []byte, now time.Time) (s *Shard[E, P], entry P, own bool) {
	h := maphash.Bytes(t.seed, key)
	s = &t.shards[h%shards]
	s.Lock()
	if i, ok := s.index[string(key)]; ok {
		return s, &s.slots[i].entry, true
	}
	i, ok := s.place(now)
	if !ok {
		return s, &s.crowd[h/shards%crowd], false
	}
	text := string(key)
	s.slots[i] = slot[E]{key: text}
	s.index[text] = i
	return s, &s.slots[i].entry, true
}

// Find is Lock for a key that must be there already: own is false, and nothing is locked,
// when it is not.
func (t *Table[E, P]) Find(key string) (s *Shard[E, P], entry P, own bool) {
	s = &t.shards[maphash.String(t.seed, key)%shards]
	s.Lock()
	if i, ok := s.index[key]; ok {
		return s, &s.slots[i].entry, true
	}
	s.Unlock()
	return nil, nil, false
}

// place returns a free slot.
func (s *Shard[E, P]) place(now time.Time) (int32, bool) {
	if len(s.slots) < s.most {
		s.slots = append(s.slots, slot[E]{})
		return int32(len(s.slots) - 1), true //nolint:gosec // most is far smaller
	}
	for range min(sweep, len(s.slots)) {
		i := s.hand
		s.hand = (s.hand + 1) % len(s.slots)
		if P(&s.slots[i].entry).Forgettable(now) {
			delete(s.index, s.slots[i].key)
			return int32(i), true //nolint:gosec // as above
		}
	}
	return 0, false
}

// Each yields all keys with their own entries, part after part, each locked meanwhile.
func (t *Table[E, P]) Each() iter.Seq2[string, P] {
	return func(yield func(string, P) bool) {
		for i := range t.shards {
			if !t.shards[i].each(yield) {
				return
			}
		}
	}
}

func (s *Shard[E, P]) each(yield func(string, P) bool) bool {
	s.Lock()
	defer s.Unlock()
	for i := range s.slots {
		if !yield(s.slots[i].key, &s.slots[i].entry) {
			return false
		}
	}
	return true
}

// Len returns how many keys have an entry of their own.
func (t *Table[E, P]) Len() (n int) {
	for i := range t.shards {
		t.shards[i].Lock()
		n += len(t.shards[i].index)
		t.shards[i].Unlock()
	}
	return n
}
