// Package cachetest is the suite that every shared cache's driver passes: what package
// cache promises of a Shared, and what a Cache makes of it. A driver's test calls [Run].
package cachetest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/cache"
)

// Memory is a cache.Shared in this process, for tests: several Caches that are given
// the same one stand for several processes. It forgets what expired when it is asked
// for it. Its zero value is empty and ready; it is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	kept map[string]kept
	err  error
}

type kept struct {
	value []byte
	until time.Time
}

// Fail makes every call return err from now on, as a cache that is away; nil ends it.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// Get returns what is held of keys.
func (m *Memory) Get(ctx context.Context, keys []string) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.refused(ctx); err != nil {
		return nil, err
	}
	held := map[string][]byte{}
	for _, key := range keys {
		if value := m.get(key); value != nil {
			held[key] = bytes.Clone(value)
		}
	}
	return held, nil
}

// Set carries out changes.
func (m *Memory) Set(ctx context.Context, changes []cache.Change) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.refused(ctx); err != nil {
		return nil, err
	}
	done := make([]bool, len(changes))
	for i, c := range changes {
		if !bytes.Equal(m.get(c.Key), c.Old) {
			continue
		}
		if m.kept == nil {
			m.kept = map[string]kept{}
		}
		m.kept[c.Key] = kept{bytes.Clone(c.New), time.Now().Add(c.TTL)}
		done[i] = true
	}
	return done, nil
}

// Delete forgets keys.
func (m *Memory) Delete(ctx context.Context, keys []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.refused(ctx); err != nil {
		return err
	}
	for _, key := range keys {
		delete(m.kept, key)
	}
	return nil
}

// Keys returns the keys that are held, sorted.
func (m *Memory) Keys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.kept))
}

func (m *Memory) refused(ctx context.Context) error {
	if m.err != nil {
		return m.err
	}
	return ctx.Err()
}

// get returns what is held of a key, nil for nothing.
func (m *Memory) get(key string) []byte {
	k, ok := m.kept[key]
	if ok && !time.Now().Before(k.until) {
		delete(m.kept, key)
		return nil
	}
	return k.value
}
