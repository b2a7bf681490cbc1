package balance

import "time"

// Ejected returns the members that are left out at now.
func (s *Set) Ejected(now time.Time) (out []*Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.members {
		if e.Ejected(now) {
			out = append(out, e)
		}
	}
	return out
}
