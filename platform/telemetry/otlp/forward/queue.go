package forward

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// queue keeps requests in the order in which they came, in files of one folder: each a
// segment, a row of frames. It is not safe for concurrent use.
type queue struct {
	dir   string
	most  int64 // bytes of a segment after which another begins
	segs  []*segment
	next  uint64   // the number of the next segment
	out   *os.File // the last of segs, for writing; nil: a new one begins with the next push
	ready chan struct{}
}

// segment is a file, with what was not yet sent of it.
type segment struct {
	seq   uint64
	size  int64
	from  int64 // where what waits begins
	items int64 // that wait
}

// batch is what was taken together; done and dropOldest agree about it by its place.
type batch struct {
	seq     uint64
	from    int64
	until   int64
	entries []entry
}

func (b *batch) items() int64 {
	var n int64
	for _, e := range b.entries {
		n += e.items
	}
	return n
}

func openQueue(dir string, most int64) (*queue, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	q := &queue{dir: dir, most: most, ready: make(chan struct{}, 1)}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sent, from := q.position()
	for _, file := range files {
		name, ok := strings.CutSuffix(file.Name(), ".otlp")
		seq, err := strconv.ParseUint(name, 16, 64)
		if !ok || err != nil {
			continue
		}
		q.next = max(q.next, seq+1)
		s := &segment{seq: seq}
		if seq == sent {
			s.from = from
		}
		if seq < sent {
			err = os.Remove(q.path(seq))
		} else {
			err = q.recover(s)
		}
		if err != nil {
			return nil, err
		}
		if seq >= sent && s.size > s.from {
			q.segs = append(q.segs, s)
		}
	}
	q.next = max(q.next, sent+1)
	slices.SortFunc(q.segs, func(a, b *segment) int { return cmp.Compare(a.seq, b.seq) })
	if len(q.segs) > 0 {
		q.ready <- struct{}{}
	}
	return q, nil
}

func (q *queue) path(seq uint64) string { return filepath.Join(q.dir, fmt.Sprintf("%016x.otlp", seq)) }

// recover finds out what waits in a segment, and cuts off what a dying process left half
// written. A segment that nothing waits in is removed.
func (q *queue) recover(s *segment) error {
	f, err := os.OpenFile(q.path(s.seq), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	for {
		e, err := read(f, s.size, info.Size())
		if err != nil {
			break
		}
		if s.size >= s.from {
			s.items += e.items
		}
		s.size += header + int64(len(e.body))
	}
	if s.size <= s.from {
		return os.Remove(q.path(s.seq))
	}
	return f.Truncate(s.size)
}

// push appends a request, or fails and keeps nothing of it.
func (q *queue) push(body []byte, items int64) error {
	if q.out != nil && q.segs[len(q.segs)-1].size >= q.most {
		if err := q.close(); err != nil {
			return err
		}
	}
	if q.out == nil {
		f, err := os.OpenFile(q.path(q.next), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		q.out = f
		q.segs = append(q.segs, &segment{seq: q.next})
		q.next++
	}
	s := q.segs[len(q.segs)-1]
	frame := make([]byte, header, header+len(body))
	binary.LittleEndian.PutUint32(frame, uint32(len(body)))
	binary.LittleEndian.PutUint32(frame[8:], uint32(items))
	binary.LittleEndian.PutUint32(frame[4:], checksum(frame[8:], body))
	if _, err := q.out.WriteAt(append(frame, body...), s.size); err != nil {
		return errors.Join(err, q.out.Truncate(s.size)) // what stays all the same is overwritten
	}
	s.size += int64(len(frame)) + int64(len(body))
	s.items += items
	select {
	case q.ready <- struct{}{}:
	default:
	}
	return nil
}

// take returns the oldest requests, at most some bytes of them but one at least; no
// entries when nothing waits. They stay in the queue until done.
func (q *queue) take(most int64) (batch, error) {
	for len(q.segs) > 0 && q.segs[0].from >= q.segs[0].size {
		if q.remove() != nil {
			break // it is tried again, and empty until then
		}
	}
	if len(q.segs) == 0 {
		return batch{}, nil
	}
	s := q.segs[0]
	b := batch{seq: s.seq, from: s.from, until: s.from}
	f, err := os.Open(q.path(s.seq))
	if err != nil {
		return b, err
	}
	defer f.Close()
	for b.until < s.size {
		e, err := read(f, b.until, s.size)
		if err != nil {
			if len(b.entries) > 0 {
				break
			}
			return b, fmt.Errorf("%s is damaged: %w", q.path(s.seq), err)
		}
		if len(b.entries) > 0 && b.until-b.from+header+int64(len(e.body)) > most {
			break
		}
		b.until += header + int64(len(e.body))
		b.entries = append(b.entries, e)
	}
	return b, nil
}

// done takes a batch out of the queue; false when dropOldest was faster.
func (q *queue) done(b *batch) bool {
	if len(q.segs) == 0 || q.segs[0].seq != b.seq || q.segs[0].from != b.from {
		return false
	}
	s := q.segs[0]
	s.from, s.items = b.until, s.items-b.items()
	if s.from < s.size || q.remove() != nil {
		q.note(s.seq, s.from)
	}
	return true
}

// dropOldest takes the oldest segment out and returns how many items waited in it.
func (q *queue) dropOldest() int64 {
	if len(q.segs) == 0 {
		return 0
	}
	items := q.segs[0].items
	if q.remove() != nil { // it cannot be removed: then it counts as empty
		q.segs[0].from, q.segs[0].items = q.segs[0].size, 0
		q.note(q.segs[0].seq, q.segs[0].size)
	}
	return items
}

// remove removes the oldest segment.
func (q *queue) remove() error {
	if len(q.segs) == 1 {
		if err := q.close(); err != nil {
			return err
		}
	}
	if err := os.Remove(q.path(q.segs[0].seq)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	q.segs = q.segs[1:]
	return nil
}

// bytes is what waits.
func (q *queue) bytes() int64 {
	var n int64
	for _, s := range q.segs {
		n += s.size - s.from
	}
	return n
}

func (q *queue) close() error {
	if q.out == nil {
		return nil
	}
	f := q.out
	q.out = nil
	return f.Close()
}

// note writes down how far was sent. Where that fails, some is sent twice after a restart.
func (q *queue) note(seq uint64, from int64) {
	path := filepath.Join(q.dir, "position")
	if os.WriteFile(path+".new", fmt.Appendf(nil, "%d %d\n", seq, from), 0o644) == nil {
		_ = os.Rename(path+".new", path) // see above
	}
}

// position reads what note wrote.
func (q *queue) position() (seq uint64, from int64) {
	b, err := os.ReadFile(filepath.Join(q.dir, "position"))
	if err != nil {
		return 0, 0
	}
	if n, err := fmt.Sscanf(string(b), "%d %d", &seq, &from); n != 2 || err != nil {
		return 0, 0
	}
	return seq, from
}
