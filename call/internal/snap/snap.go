// Package snap holds maps that are read at every call and hardly ever grow.
package snap

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Map is copied when it grows, so that reading it takes no lock and, unlike a sync.Map,
// no allocation. The zero value is empty; safe for concurrent use.
type Map[K comparable, V any] struct {
	mu  sync.Mutex // for growing
	now atomic.Pointer[map[K]V]
}

// All returns what is in the map, which may not be changed.
func (m *Map[K, V]) All() map[K]V {
	if p := m.now.Load(); p != nil {
		return *p
	}
	return nil
}

// Get returns what is there for k.
func (m *Map[K, V]) Get(k K) (V, bool) {
	v, ok := m.All()[k]
	return v, ok
}

// Made returns what is there for k, which is made first if there is nothing.
func (m *Map[K, V]) Made(k K, v func() V) V {
	if v, ok := m.Get(k); ok {
		return v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.All()
	if v, ok := known[k]; ok {
		return v
	}
	next := make(map[K]V, len(known)+1)
	maps.Copy(next, known)
	next[k] = v()
	m.now.Store(&next)
	return next[k]
}

// Clear empties the map and returns what was in it.
func (m *Map[K, V]) Clear() map[K]V {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.now.Swap(nil); p != nil {
		return *p
	}
	return nil
}
