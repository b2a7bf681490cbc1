package store

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
	"github.com/musterdev/muster/platform/telemetry/store/wal"
	"github.com/musterdev/muster/problem"
)

// head is rows that are not in blocks yet.
type head struct {
	key

	rows   row.Rows
	done   int // rows that are in blocks
	marks  []mark
	bytes  int64     // of memory
	since  time.Time // when the first row came
	latest time.Time // and the last
}

// mark tells which record rows came with.
type mark struct {
	record uint64
	end    int // of its rows in the head
	before int // rows of the record that are not in the head, having been in a block
}

// upto returns the mark of a block that ends with row number end.
func (h *head) upto(end int) format.Mark {
	start := 0
	for _, m := range h.marks {
		if end <= m.end {
			return format.Mark{Record: m.record, Rows: m.before + end - start}
		}
		start = m.end
	}
	return format.Mark{}
}

// first returns the first record with rows that are in no block.
func (h *head) first() uint64 {
	for _, m := range h.marks {
		if h.done < m.end {
			return m.record
		}
	}
	return 0
}

// maxHeadBytes is how large a head may be before it is sealed, however few its rows.
const maxHeadBytes = 32 << 20

// Append implements [signal.Store]. A service without a name is "unknown_service". The
// batch is not kept.
func (s *Store) Append(ctx context.Context, b signal.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(b.Spans)+len(b.Logs) == 0 {
		return nil
	}
	s.appending.Lock()
	defer s.appending.Unlock()
	s.encode(b)
	if n := len(s.buf) - wal.Header; n > wal.MaxRecord {
		s.buf = nil
		return problem.New(problem.TooLarge, "the batch has %d bytes: send at most %d at once", n, wal.MaxRecord)
	}
	if err := s.room(ctx); err != nil {
		return err
	}
	s.logging.Lock()
	number, err := s.log.Append(s.buf)
	oldest, size := s.log.First(), s.log.Bytes()
	s.logging.Unlock()
	if err != nil {
		return full(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for payload := s.buf[wal.Header:]; len(payload) > 0; {
		sec, rest, err := row.Next(payload)
		if err == nil {
			err = s.ingest(number, sec, 0)
		}
		if err != nil { // of what was encoded just now
			return err
		}
		payload = rest
	}
	s.ingested = number
	if size > s.cfg.WALBytes {
		s.freeze(func(h *head) bool { return h.first() <= oldest })
	}
	if cap(s.buf) > maxHeadBytes {
		s.buf = nil
	}
	return nil
}

// full turns the error of a disk without room into ErrFull.
func full(err error) error {
	if noRoom(err) {
		return signal.ErrFull
	}
	return fmt.Errorf("the telemetry store cannot write: %w", err)
}

// room sees to it that the rows in memory do not become too many: where Run does not
// keep up, or there is none, the sender waits for a block to be written.
func (s *Store) room(ctx context.Context) error {
	s.mu.Lock()
	closed, waiting := s.closed, s.waiting
	s.mu.Unlock()
	if closed {
		return ErrClosed
	}
	if waiting <= s.cfg.HeadBytes/2 {
		return nil
	}
	if err := s.sealFrozen(ctx); err != nil {
		return full(err)
	}
	return nil
}

// encode writes the batch as a record into s.buf.
func (s *Store) encode(b signal.Batch) {
	s.buf = append(s.buf[:0], make([]byte, wal.Header)...)
	spans := func(i int) *signal.Span { return &b.Spans[i] }
	for service, rows := range grouped(len(b.Spans), func(i int) string { return b.Spans[i].Service }) {
		s.buf = s.enc.Append(s.buf, row.Spans, service, len(rows), func(i int) *signal.Span { return spans(rows[i]) })
	}
	var l signal.Span
	for service, rows := range grouped(len(b.Logs), func(i int) string { return b.Logs[i].Service }) {
		s.buf = s.enc.Append(s.buf, row.Logs, service, len(rows), func(i int) *signal.Span {
			l = row.OfLog(&b.Logs[rows[i]])
			return &l
		})
	}
}

// grouped returns the numbers of the rows of each service.
func grouped(n int, service func(int) string) map[string][]int {
	groups := map[string][]int{}
	name, rows := "", []int(nil)
	for i := range n {
		next := service(i)
		if next == "" {
			next = "unknown_service"
		}
		if next != name {
			if rows != nil {
				groups[name] = rows
			}
			name, rows = next, groups[next]
		}
		rows = append(rows, i)
	}
	if rows != nil {
		groups[name] = rows
	}
	return groups
}

// ingest adds a section but its first rows to its head.
func (s *Store) ingest(number uint64, sec row.Section, but int) error {
	if sec.Len <= but {
		return nil
	}
	k, now := key{sec.Signal, sec.Service}, s.cfg.Now()
	h := s.heads[k]
	if h == nil {
		h = &head{key: k, since: now}
		s.heads[k] = h
	}
	if err := h.rows.Add(sec, but); err != nil {
		return err
	}
	h.marks = append(h.marks, mark{record: number, end: len(h.rows.Fixed), before: but})
	h.latest = now
	before := h.bytes
	h.bytes = h.rows.Memory()
	s.filling += h.bytes - before
	if len(h.rows.Fixed) >= s.cfg.BlockRows || h.bytes >= maxHeadBytes {
		s.freeze(func(other *head) bool { return other == h })
	}
	if s.filling > s.cfg.HeadBytes {
		largest := h
		for _, other := range s.heads {
			if other.bytes > largest.bytes {
				largest = other
			}
		}
		s.freeze(func(other *head) bool { return other == largest })
	}
	return nil
}

// freeze has heads sealed.
func (s *Store) freeze(which func(*head) bool) {
	for k, h := range s.heads {
		if which(h) {
			delete(s.heads, k)
			s.frozen = append(s.frozen, h)
			s.filling -= h.bytes
			s.waiting += h.bytes
		}
	}
	if len(s.frozen) > 0 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}
