package query

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// The bounds of Live.
const (
	mostTails   = 256
	tailRecords = 2000
	tailBytes   = 8 << 20
	mostRoots   = 2000   // traces of which Recent tells
	mostBacked  = 50_000 // links that are found from their target
	mostBacks   = 20     // of them, of one target
	settled     = time.Second
)

// Live passes on what comes in to those who watch, and remembers a little of it. Its
// methods may be called concurrently; none of them waits for a reader.
type Live struct {
	now func() time.Time

	mu    sync.Mutex
	tails map[*Tail]struct{}
	roots []root // the latest last
	seq   uint64 // of the last root
	back  backlinks
}

// root is a trace whose root span came in.
type root struct {
	trace signal.TraceID
	at    time.Time
	seq   uint64
}

// NewLive returns a Live without readers; now nil means time.Now.
func NewLive(now func() time.Time) *Live {
	if now == nil {
		now = time.Now
	}
	return &Live{now: now, tails: map[*Tail]struct{}{}}
}

// Add passes on a batch that was stored.
func (l *Live) Add(b signal.Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for i := range b.Spans {
		s := &b.Spans[i]
		if s.Parent.IsZero() {
			l.seq++
			l.roots = append(l.roots, root{s.Trace, now, l.seq})
		}
		for _, link := range s.Links {
			l.back.add(link, Link{Trace: s.Trace, Span: s.ID})
		}
	}
	if over := len(l.roots) - mostRoots; over > 0 {
		l.roots = append(l.roots[:0], l.roots[over:]...)
	}
	for t := range l.tails {
		t.offer(b.Logs)
	}
}

// recent returns the traces whose root came in after a moment, and a second ago so that
// the rest of them is likely there too, at most limit, the latest; and the moment to ask with next.
func (l *Live) recent(after uint64, limit int) (ids []signal.TraceID, next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next = after
	until := l.now().Add(-settled)
	for _, r := range l.roots {
		if r.seq > after && !r.at.After(until) {
			ids, next = append(ids, r.trace), r.seq
		}
	}
	return ids[max(0, len(ids)-limit):], next
}

// latest returns the moment of the last root.
func (l *Live) latest() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seq
}

// Tail begins to watch the records that q speaks of; its window does not count. It fails
// when 256 watch already. The caller ends it with Close.
func (l *Live) Tail(q signal.LogQuery) (*Tail, error) {
	q.Text = strings.ToLower(q.Text)
	t := &Tail{live: l, query: q, wake: make(chan struct{}, 1)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tails) >= mostTails {
		return nil, problem.New(problem.ResourceExhausted, "%d readers watch the logs already: close some", mostTails)
	}
	l.tails[t] = struct{}{}
	return t, nil
}

// Tail is a reader of new log records. Next and Close may be called concurrently.
type Tail struct {
	live  *Live
	query signal.LogQuery
	wake  chan struct{}

	mu    sync.Mutex
	logs  []signal.Log
	bytes int
	lost  int
}

// offer keeps what the reader wants and has room for.
func (t *Tail) offer(logs []signal.Log) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := len(t.logs) + t.lost
	for i := range logs {
		if !t.wants(&logs[i]) {
			continue
		}
		size := sizeOf(&logs[i])
		if len(t.logs) >= tailRecords || t.bytes+size > tailBytes {
			t.lost++
			continue
		}
		t.logs, t.bytes = append(t.logs, copied(&logs[i])), t.bytes+size
	}
	if len(t.logs)+t.lost > before {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

func sizeOf(l *signal.Log) int {
	n := 200 + len(l.Body)
	for _, a := range l.Attributes {
		n += len(a.Key) + len(a.Value.Text) + 48
	}
	return n
}

// copied returns a record that keeps nothing else in memory: its texts are parts of a whole
// request, and its resource is not told to readers but for the instance.
func copied(l *signal.Log) signal.Log {
	c := *l
	c.Body = strings.Clone(l.Body)
	c.Attributes = make(signal.Attributes, len(l.Attributes))
	for i, a := range l.Attributes {
		a.Key, a.Value.Text = strings.Clone(a.Key), strings.Clone(a.Value.Text)
		c.Attributes[i] = a
	}
	c.Resource, c.Scope = nil, strings.Clone(l.Scope)
	if v, told := l.Resource.Get("service.instance.id"); told {
		v.Text = strings.Clone(v.Text)
		c.Resource = signal.Attributes{{Key: "service.instance.id", Value: v}}
	}
	return c
}

func (t *Tail) wants(l *signal.Log) bool {
	q := &t.query
	if q.Service != "" && q.Service != l.Service || l.Severity < q.Severity || !q.Trace.IsZero() && q.Trace != l.Trace {
		return false
	}
	for _, m := range q.Match {
		if !has(l.Attributes, m) && !has(l.Resource, m) {
			return false
		}
	}
	return q.Text == "" || l.Says(q.Text)
}

func has(attributes signal.Attributes, m signal.Match) bool {
	v, there := attributes.Get(m.Key)
	return there && v.String() == m.Value
}

// Next waits for records and returns all that came, in their order, and how many were
// left out since the last call because the reader was too slow. It fails when ctx ends.
func (t *Tail) Next(ctx context.Context) (logs []signal.Log, lost int, err error) {
	for {
		t.mu.Lock()
		logs, lost = t.logs, t.lost
		t.logs, t.lost, t.bytes = nil, 0, 0
		t.mu.Unlock()
		if len(logs) > 0 || lost > 0 {
			return logs, lost, nil
		}
		select {
		case <-t.wake:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// Close ends the reader.
func (t *Tail) Close() {
	t.live.mu.Lock()
	defer t.live.mu.Unlock()
	delete(t.live.tails, t)
}
