package held

import (
	"context"
	"sync"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
)

// Lease is this engine's right to one saga, as far as it knows.
type Lease struct {
	mu    sync.Mutex
	until time.Time
	at    Place
	try   time.Duration // that the try at hand may take; 0: none is at hand
	late  time.Time     // when it goes on for too long; zero: that has been told
	timer *time.Timer   // while somebody waits for the end of a Remote step
}

// Place is the step at hand of a saga.
type Place struct {
	Name, ID, Step string
	Undoing        bool
	Fence          int64
	Lost           int
	Trace          string
}

func placeOf(r *table.Row) Place {
	return Place{r.Name, r.ID, r.Step, r.Undoing, r.Fence, r.Lost, r.Trace}
}

// Renew says that the database extended the lease after the time asked.
func (l *Lease) Renew(asked time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = asked.Add(table.Lease)
	if l.timer != nil {
		l.timer.Reset(time.Until(l.until))
	}
}

// Comes says that the saga has come to another step, or to another try of it.
func (l *Lease) Comes(at *table.Row) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = placeOf(at)
}

// Tries says that a try begins which may take so long, and 0 that it has ended.
func (l *Lease) Tries(timeout time.Duration, begun time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.try, l.late = timeout, begun.Add(timeout+patience)
}

// patience is how much longer than it may a try goes on before that is told.
const patience = time.Second

// overdue reports, once for each try, that it goes on after its time.
func (l *Lease) overdue(now time.Time) (Overdue, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.try == 0 || l.late.IsZero() || now.Before(l.late) {
		return Overdue{}, false
	}
	l.late = time.Time{}
	return Overdue{l.at, l.try}, true
}

func (l *Lease) place() Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at
}

// over reports whether another engine may be at the same step.
func (l *Lease) over(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !now.Before(l.until)
}

// watch has end called when the lease is over.
func (l *Lease) watch(end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := time.Until(l.until)
	if left <= 0 {
		end()
		return
	}
	l.timer = time.AfterFunc(left, end)
}

func (l *Lease) unwatch() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// Scope is the context of one try: it ends after its time; and, with table.ErrLost as its cause, when the
// lease does: then another engine may be at the same step. What it costs to wait for that is
// spent when somebody waits.
type Scope struct {
	context.Context //nolint:containedctx // it is one

	lease *Lease
	until time.Time

	mu    sync.Mutex
	inner context.Context //nolint:containedctx // nil while nobody waits
	stop  func()
	ended bool
}

// Within returns the context of a try that begins now and may take so long. Who made it ends it.
func (l *Lease) Within(ctx context.Context, now time.Time, timeout time.Duration) *Scope {
	return &Scope{Context: ctx, lease: l, until: now.Add(timeout)}
}

// Deadline returns when the try's time is over.
func (s *Scope) Deadline() (time.Time, bool) {
	if before, ok := s.Context.Deadline(); ok && before.Before(s.until) {
		return before, true
	}
	return s.until, true
}

// Done returns what is closed when the try is to end.
func (s *Scope) Done() <-chan struct{} { return s.awaited().Done() }

// Err says why it is to end.
func (s *Scope) Err() error {
	s.mu.Lock()
	idle := s.inner == nil && !s.ended
	s.mu.Unlock()
	if now := time.Now(); idle && s.Context.Err() == nil && now.Before(s.until) && !s.lease.over(now) {
		return nil
	}
	return s.awaited().Err()
}

// Value returns a value of the context that this one was made from.
func (s *Scope) Value(key any) any {
	s.mu.Lock()
	inner := s.inner
	s.mu.Unlock()
	if inner == nil {
		return s.Context.Value(key)
	}
	return inner.Value(key) // so that package context finds it, and needs no goroutine for who waits
}

// End says that the try has ended.
func (s *Scope) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended = true; s.stop != nil {
		s.stop()
	}
}

func (s *Scope) awaited() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inner != nil {
		return s.inner
	}
	leased, lost := context.WithCancelCause(s.Context)
	if s.ended {
		lost(nil)
		s.inner = leased
		return leased
	}
	s.lease.watch(func() { lost(table.ErrLost) })
	within, cancel := context.WithDeadline(leased, s.until)
	s.inner, s.stop = within, func() {
		s.lease.unwatch()
		cancel()
		lost(nil)
	}
	return within
}
