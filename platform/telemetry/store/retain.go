package store

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/block"
	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// retain removes the blocks that are kept no longer.
func (s *Store) retain() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	gone := s.surplus(s.cfg.Now())
	for _, b := range gone {
		s.drop(b)
		n := s.removed[b.Service]
		if n == nil {
			n = &[2]int64{}
			s.removed[b.Service] = n
		}
		n[b.Signal] += int64(b.Rows)
	}
	s.mu.Unlock()
	for _, b := range gone {
		if err := b.Remove(); err != nil {
			s.cfg.Log.Warn("telemetry: a block that is kept no longer cannot be removed", "error", err)
		}
	}
}

// drop forgets a block.
func (s *Store) drop(b *block.File) {
	k := key{b.Signal, b.Service}
	s.blocks[k] = slices.DeleteFunc(s.blocks[k], func(other *block.File) bool { return other == b })
	if len(s.blocks[k]) == 0 {
		delete(s.blocks, k)
	}
}

// held is the blocks of a service, those whose last row is oldest first.
type held struct {
	blocks []*block.File
	bytes  int64
}

// surplus returns the blocks that are too old or too many.
func (s *Store) surplus(now time.Time) (gone []*block.File) {
	services, total := map[string]*held{}, int64(0)
	for k, list := range s.blocks {
		h := services[k.service]
		if h == nil {
			h = &held{}
			services[k.service] = h
		}
		for _, b := range list {
			h.bytes += b.Bytes
			total += b.Bytes
		}
		h.blocks = append(h.blocks, list...)
	}
	oldest := func(h *held) {
		b := h.blocks[0]
		h.blocks, gone = h.blocks[1:], append(gone, b)
		h.bytes -= b.Bytes
		total -= b.Bytes
	}
	for service, h := range services {
		slices.SortFunc(h.blocks, func(a, b *block.File) int { return cmp.Compare(a.Last, b.Last) })
		limit := s.cfg.limit(service)
		since := now.Add(-limit.Age).UnixNano()
		for len(h.blocks) > 0 && (h.bytes > limit.Bytes || h.blocks[0].Last < since) {
			oldest(h)
		}
	}
	for total > s.cfg.Total {
		var largest *held
		for _, h := range services {
			if len(h.blocks) > 0 && (largest == nil || h.bytes > largest.bytes) {
				largest = h
			}
		}
		oldest(largest)
	}
	return gone
}

// setAside takes a damaged block out of use. It returns other errors than of damage.
func (s *Store) setAside(b *block.File, err error) error {
	if !errors.Is(err, format.ErrCorrupt) {
		return err
	}
	s.mu.Lock()
	before := len(s.blocks[key{b.Signal, b.Service}])
	s.drop(b)
	known := len(s.blocks[key{b.Signal, b.Service}]) < before
	if known {
		s.damaged(b.Path, err)
	}
	s.mu.Unlock()
	if !known {
		return nil
	}
	return b.SetAside()
}

// Usage implements [signal.Store], in the order of the names. Bytes include what is in
// memory, about as large as it is in the log.
func (s *Store) Usage() []signal.Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	services := map[string]*signal.Usage{}
	oldest := map[string]int64{}
	add := func(k key, rows, bytes, first int64) {
		u := services[k.service]
		if u == nil {
			u = &signal.Usage{Service: k.service}
			services[k.service], oldest[k.service] = u, math.MaxInt64
		}
		u.Bytes += bytes
		if rows > 0 {
			oldest[k.service] = min(oldest[k.service], first)
		}
		if k.signal == row.Spans {
			u.Spans += rows
		} else {
			u.Logs += rows
		}
	}
	for k, list := range s.blocks {
		for _, b := range list {
			add(k, int64(b.Rows), b.Bytes, b.First)
		}
	}
	for _, h := range s.inMemory() {
		add(h.key, int64(len(h.rows.Fixed)-h.done), int64(len(h.rows.Data)), h.oldest())
	}
	for service, n := range s.removed {
		add(key{row.Spans, service}, 0, 0, 0)
		services[service].RemovedSpans, services[service].RemovedLogs = n[row.Spans], n[row.Logs]
	}
	list := make([]signal.Usage, 0, len(services))
	for service, u := range services {
		if o := oldest[service]; o != math.MaxInt64 {
			u.Oldest = signal.Time(o)
		}
		list = append(list, *u)
	}
	slices.SortFunc(list, func(a, b signal.Usage) int { return strings.Compare(a.Service, b.Service) })
	return list
}

// inMemory returns all heads.
func (s *Store) inMemory() []*head {
	list := slices.Clone(s.frozen)
	for _, h := range s.heads {
		list = append(list, h)
	}
	return list
}

func (h *head) oldest() int64 {
	first := int64(math.MaxInt64)
	for i := h.done; i < len(h.rows.Fixed); i++ {
		first = min(first, h.rows.Fixed[i].Start)
	}
	return first
}
