// Package admission keeps a server from taking more than it can do. A [Controller]
// stands before its handlers: while there is room every call goes through; when the
// server falls behind, calls wait a moment, the more important first, and those for which
// there is no room are turned away at once, before anything was done for them. The
// decisions are [Gate]'s, a [Limit] and a [Queue], which know neither goroutines nor
// clocks; the Controller and its adapters for HTTP ([Controller.Handler]) and gRPC
// ([Controller.Unary], [Controller.Stream]) carry them out.
package admission

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// Config says how a Controller works. The zero value is the default.
type Config struct {
	Min     int           // calls in flight that are always let in; 0 means 4
	Initial int           // how many are let in before anything is known; 0 means 1000
	Max     int           // how many are let in at most; 0 means 10000
	Waiting int           // how many may wait at most; 0 means 1000
	Slack   time.Duration // how long calls may take in a server that is behind, see [Limit]; 0 means 100 ms
	// Quota bounds what each caller may ask, before there is a question of room; nil: nothing
	// does. The adapters know a caller by [discovery.CallerHeader].
	Quota *quota.Keeper
	// Off lets every call in and only counts: for who wants to look first.
	Off bool
}

// validate returns what is wrong, in one line.
func (c Config) validate() error {
	switch {
	case c.Min < 0 || c.Initial < 0 || c.Max < 0 || c.Waiting < 0 || c.Slack < 0:
		return fmt.Errorf("admission: a bound is negative (min %d, initial %d, max %d, waiting %d, slack %s): give 0 for its default",
			c.Min, c.Initial, c.Max, c.Waiting, c.Slack)
	case c.Max > 0 && c.Max < c.Min:
		return fmt.Errorf("admission: max %d is less than min %d", c.Max, c.Min)
	}
	return nil
}

// Controller admits calls to one server. A server has one for all its protocols, as
// they share its processors. It has no goroutines of its own and needs no closing.
// Safe for concurrent use.
type Controller struct {
	off   bool
	quota *quota.Keeper

	mu   sync.Mutex
	gate Gate[chan<- int]
}

// New returns a Controller, or what is wrong with the configuration.
func New(cfg Config) (*Controller, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c := &Controller{off: cfg.Off, quota: cfg.Quota}
	c.gate.Limit = Limit{Min: cfg.Min, Initial: cfg.Initial, Max: cfg.Max, Slack: cfg.Slack}
	c.gate.Queue = Queue[chan<- int]{Max: cfg.Waiting}
	return c, nil
}

// Shed is the error of a call that was turned away. Nothing was done for it.
type Shed struct {
	Reason   ShedReason
	Priority resilience.Priority
}

// Error says why.
func (s *Shed) Error() string {
	return fmt.Sprintf("turned away (%s, priority %s)", s.Reason, s.Priority)
}

// retryAfter is what a caller outside the fleet is told.
const retryAfter = time.Second

// problem is what the caller is told; code is how its protocol names a lack of room.
func (s *Shed) problem(code problem.Code) *problem.Error {
	switch s.Reason {
	case ShedTooLate:
		return problem.Wrap(s, problem.DeadlineExceeded, "the time the caller gave was up before there was room; nothing was done")
	case ShedCallerGone:
		return problem.Wrap(s, problem.Canceled, "the caller gave up before there was room; nothing was done")
	default:
		return problem.Wrap(s, code, "the service has more to do than it can; nothing was done").WithRetryAfter(retryAfter)
	}
}

// Outcome is how a call went, as far as it tells how busy the server is.
type Outcome uint8

// The outcomes.
const (
	Done   Outcome = iota // it was carried out: its time counts
	Failed                // it failed or was given up: its time says nothing
	Late                  // its deadline passed while it was carried out
)

// Slot is the right to be carried out. [Slot.End] gives it back.
type Slot struct {
	c      *Controller
	began  time.Time
	beside int           // calls in flight when it began
	left   time.Duration // until the caller's deadline when it began; 0: it has none

	mu    sync.Mutex
	ended bool
}

// Admit asks for room for a call of priority p whose caller gives up when ctx ends. It
// waits as long as [Queue] says, and returns a Slot to be ended, or *Shed.
func (c *Controller) Admit(ctx context.Context, p resilience.Priority) (*Slot, error) {
	now := time.Now()
	deadline, _ := ctx.Deadline()
	var admitted chan int // is sent how many are in flight; closed: evicted
	c.mu.Lock()
	if c.off {
		c.gate.Limit.Begin(now)
		c.mu.Unlock()
		return c.slot(now, deadline, 0), nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		c.gate.turnAway(now, p.Class(), ShedCallerGone)
		c.mu.Unlock()
		return nil, &Shed{ShedCallerGone, p}
	}
	if !c.gate.Open() {
		admitted = make(chan int, 1)
	}
	d := c.gate.Arrive(now, admitted, p, deadline)
	if d.Evicted != nil {
		close(d.Evicted.Value)
	}
	beside := c.gate.Limit.InFlight()
	c.mu.Unlock()
	switch {
	case d.Begin:
		return c.slot(now, deadline, beside), nil
	case d.Waiting == nil:
		return nil, &Shed{d.Reason, p}
	}
	return c.wait(ctx, d.Waiting, admitted)
}

// wait waits until there is room, or the wait is over.
func (c *Controller) wait(ctx context.Context, w *Waiting[chan<- int], admitted <-chan int) (*Slot, error) {
	timer := time.NewTimer(time.Until(w.Until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case beside, ok := <-admitted:
		if ok {
			return c.slot(time.Now(), w.Deadline, beside), nil
		}
		return nil, &Shed{ShedQueueFull, w.Priority}
	}
	now := time.Now()
	c.mu.Lock()
	reason, shed := c.gate.GiveUp(now, w, ctx.Err() != nil)
	c.mu.Unlock()
	if shed {
		return nil, &Shed{reason, w.Priority}
	}
	beside, ok := <-admitted // room or eviction came just as the wait was over
	if !ok {
		return nil, &Shed{ShedQueueFull, w.Priority}
	}
	s := c.slot(now, w.Deadline, beside)
	if ctx.Err() != nil {
		s.End(Failed)
		return nil, &Shed{ShedCallerGone, w.Priority}
	}
	return s, nil
}

func (c *Controller) slot(now, deadline time.Time, beside int) *Slot {
	s := &Slot{c: c, began: now, beside: beside}
	if !deadline.IsZero() {
		s.left = max(1, deadline.Sub(now))
	}
	return s
}

// End gives the slot back. Calling it again does nothing. Safe for concurrent use.
func (s *Slot) End(o Outcome) {
	s.mu.Lock()
	ended := s.ended
	s.ended = true
	s.mu.Unlock()
	if ended {
		return
	}
	now := time.Now()
	w := Work{Took: now.Sub(s.began), Left: s.left, Beside: s.beside, Other: o == Failed, Expired: o == Late}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.gate.End(now, w, func(admitted chan<- int) { admitted <- s.c.gate.Limit.InFlight() })
}

// Quota returns what bounds each caller, nil when nothing does.
func (c *Controller) Quota() *quota.Keeper { return c.quota }

// Stats returns how the controller stands.
func (c *Controller) Stats() GateStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gate.Stats()
}
