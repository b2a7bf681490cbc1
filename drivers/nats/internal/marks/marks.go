// Package marks keeps how far streams have come.
package marks

import "sync"

// Marks notice that a stream has gone back: it was truncated, restored from a backup or made anew, and
// messages that the server had confirmed are gone. Nobody else would tell.
type Marks struct {
	mu   sync.Mutex
	high map[string]uint64 // the highest place seen, by stream, or by consumer
}

// Mark returns the highest place seen so far.
func (m *Marks) Mark(of string) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.high[of]
}

// Saw notes a place that comes behind all those that were seen when mark was asked. It returns that mark if the
// place is not, once: places count anew from there.
func (m *Marks) Saw(of string, place, mark uint64) (back uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.high == nil {
		m.high = map[string]uint64{}
	}
	if place <= mark {
		if m.high[of] < mark { // it was said already
			return 0
		}
		m.high[of] = place
		return mark
	}
	m.high[of] = max(m.high[of], place)
	return 0
}
