package memory

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
)

// Parking is a bus.Parking in memory, for the consumers of one process. It is safe for
// concurrent use.
type Parking struct {
	mu      sync.Mutex
	entries []*spot // in the order they were parked
	leases  uint64
}

var (
	_ bus.Parking = (*Parking)(nil)
	_ bus.Keeper  = (*Parking)(nil)
)

type spot struct {
	bus.Parked
	until time.Time // it is leased
	lease uint64    // the number of the last lease
}

// errLost says that a parked message was leased to another, redriven or discarded.
var errLost = errors.New("memory: the lease of the parked message was lost")

// NewParking returns an empty parking.
func NewParking() *Parking { return new(Parking) }

// Held reports whether a message of the key is parked.
func (p *Parking) Held(_ context.Context, group, key string) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return key != "" && slices.ContainsFunc(p.entries, func(s *spot) bool { return s.Group == group && s.Key == key }), nil
}

// Park puts a message behind those of its key.
func (p *Parking) Park(_ context.Context, m bus.Parked) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.find(m) == nil {
		m.Msg = copied(m.Msg)
		p.entries = append(p.entries, &spot{Parked: m})
	}
	return nil
}

// Due leases the messages that are to be tried now, those that wait longest first.
func (p *Parking) Due(_ context.Context, group string, most int) ([]bus.Parked, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	seen := map[string]bool{}
	var due []*spot
	for _, s := range p.entries {
		if s.Group != group || s.Key != "" && seen[s.Key] {
			continue
		}
		seen[s.Key] = true
		if !s.Dead && !s.Next.After(now) && !s.until.After(now) {
			due = append(due, s)
		}
	}
	slices.SortStableFunc(due, func(a, b *spot) int { return a.Next.Compare(b.Next) })
	var out []bus.Parked
	for _, s := range due[:min(most, len(due))] {
		p.leases++
		s.until, s.lease = now.Add(Lease), p.leases
		leased := s.Parked
		leased.Msg, leased.Receipt = copied(s.Msg), s.lease
		out = append(out, leased)
	}
	return out, nil
}

// Keep extends a lease.
func (p *Parking) Keep(_ context.Context, m bus.Parked) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.leased(m)
	if err == nil {
		s.until = time.Now().Add(Lease)
	}
	return err
}

// Settle records what a try came to.
func (p *Parking) Settle(_ context.Context, m bus.Parked, o bus.Outcome) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, err := p.leased(m)
	if err != nil {
		return err
	}
	if o.Done {
		p.entries = slices.DeleteFunc(p.entries, func(e *spot) bool { return e == s })
		return nil
	}
	s.Attempts++
	s.Dead, s.Error, s.Next, s.until = o.Dead, o.Error, time.Now().Add(o.After), time.Time{}
	return nil
}

// List returns what is parked, in the order in which it was.
func (p *Parking) List() []bus.Parked {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []bus.Parked
	for _, s := range p.entries {
		m := s.Parked
		m.Msg = copied(s.Msg)
		all = append(all, m)
	}
	return all
}

// Redrive has all dead messages of a group tried anew, with all their tries, and
// returns how many there were.
func (p *Parking) Redrive(group string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, s := range p.entries {
		if s.Group == group && s.Dead {
			s.Dead, s.Attempts, s.Next, s.until = false, 0, time.Now(), time.Time{}
			n++
		}
	}
	return n
}

// Discard gives a message up, and reports whether it was parked.
func (p *Parking) Discard(group, source, id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.entries)
	p.entries = slices.DeleteFunc(p.entries, func(s *spot) bool { return s.Group == group && s.Source == source && s.ID == id })
	return len(p.entries) < before
}

func (p *Parking) find(m bus.Parked) *spot {
	for _, s := range p.entries {
		if s.Group == m.Group && s.Source == m.Source && s.ID == m.ID {
			return s
		}
	}
	return nil
}

// leased returns the message that m's receipt leased, if it is not another's since.
func (p *Parking) leased(m bus.Parked) (*spot, error) {
	lease, _ := m.Receipt.(uint64)
	if s := p.find(m); s != nil && lease != 0 && s.lease == lease && s.until.After(time.Now()) {
		return s, nil
	}
	return nil, errLost
}
