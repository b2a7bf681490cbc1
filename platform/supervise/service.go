package supervise

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/build"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// service is all instances of one service. Orders to it are carried out one
// after another; those to different services at the same time.
type service struct {
	sup   *Supervisor
	name  string
	turn  chan struct{} // holds a token while no order is carried out
	dirty chan struct{} // files changed since it was built

	mu       sync.Mutex
	spec     fleet.Service
	program  string        // built; "" for a command that names its program itself
	version  int           // grows when instances that run must be replaced to be up to date
	want     int           // how many instances it should have
	last     int           // number of the instance started last
	replicas []*replica    // in the order of their start
	trouble  string        // why the last order could not be carried out
	guest    fleet.Address // of an instance that somebody runs in a debugger
	closed   bool
}

// replica is one instance of a service.
type replica struct {
	*instance.Instance
	ports   []int // of the pool
	pinned  bool  // it has the ports that others refer to, or that the file fixes
	version int
	spec    fleet.Service // what it was started from
	program string
	gone    chan struct{} // closed when it is over and forgotten
}

func newService(sup *Supervisor, spec fleet.Service) *service {
	s := &service{
		sup: sup, name: spec.Name, spec: spec, want: spec.Replicas,
		turn: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
	}
	s.turn <- struct{}{}
	return s
}

// order waits for the service's turn and carries out an order. An order ends when
// its context does, or the fleet's.
func (s *service) order(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.sup.ctx, func() { cancel(context.Cause(s.sup.ctx)) })
	defer stop()
	select {
	case <-s.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { s.turn <- struct{}{} }()
	err := do(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = ""
	if err != nil {
		s.trouble = err.Error()
	}
	return err
}

// build makes the program anew and reports whether it is another than before.
func (s *service) build(ctx context.Context) (changed bool, err error) {
	spec := s.current()
	if len(spec.Build) == 0 && spec.GoPackage == "" {
		return false, nil
	}
	began := time.Now()
	s.emit(event.Event{Kind: event.Building})
	program, err := s.sup.builder.Build(ctx, spec)
	if err != nil {
		return false, err
	}
	s.emit(event.Event{Kind: event.Built, After: time.Since(began)})
	s.mu.Lock()
	defer s.mu.Unlock()
	changed = program != s.program || program == "" // a builder of its own: who knows what it made
	s.program = program
	if changed {
		s.version++
	}
	return changed, nil
}

// begin starts all instances on trial.
func (s *service) begin(t *instance.Trial) error {
	for range s.current().Replicas {
		r, err := s.launch(true)
		if err != nil {
			return err
		}
		t.Watch(r.Instance)
	}
	return nil
}

// bring starts n instances, each from what counts now, and waits until they are
// ready. Those that fail are gone when it returns, the others stay.
func (s *service) bring(ctx context.Context, n int) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { _, errs[i] = s.bringOne(ctx) })
	}
	all.Wait()
	return firstOf(errs)
}

func (s *service) bringOne(ctx context.Context) (*replica, error) {
	r, err := s.launch(true)
	if err != nil {
		return nil, err
	}
	if err := r.Await(ctx); err != nil {
		r.Stop()
		<-r.gone
		return nil, err
	}
	r.Settle()
	return r, r.Err()
}

// retire drains an instance and waits for its end.
func (s *service) retire(ctx context.Context, r *replica) error {
	r.Drain()
	select {
	case <-r.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// scale starts or ends instances until there are n. What it cannot start now it
// wants nevertheless: the next change of the service's files tries again.
func (s *service) scale(ctx context.Context, n int) error {
	s.mu.Lock()
	from := len(s.replicas)
	s.want = n
	s.mu.Unlock()
	switch {
	case n > from:
		if err := s.bring(ctx, n-from); err != nil {
			return err
		}
	case n < from:
		if err := s.drop(ctx, from-n); err != nil {
			return err
		}
	default:
		return nil
	}
	s.emit(event.Event{Kind: event.Scaled, Detail: fmt.Sprintf("from %d to %d", from, n)})
	return nil
}

// drop retires the n youngest instances, the pinned one last.
func (s *service) drop(ctx context.Context, n int) error {
	all := s.instances()
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b *replica) int {
		switch {
		case a.pinned == b.pinned:
			return 0
		case a.pinned:
			return 1
		default:
			return -1
		}
	})
	n = min(n, len(all))
	errs := make([]error, n)
	var ends sync.WaitGroup
	for i, r := range all[:n] {
		ends.Go(func() { errs[i] = s.retire(ctx, r) })
	}
	ends.Wait()
	return firstOf(errs)
}

// close stops the service taking orders and returns the instances to stop.
func (s *service) close() []*instance.Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var all []*instance.Instance
	for _, r := range s.replicas {
		all = append(all, r.Instance)
	}
	return all
}

func (s *service) current() fleet.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spec
}

func (s *service) instances() []*replica {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.replicas)
}

func (s *service) emit(e event.Event) {
	e.Service = s.name
	s.sup.emit(e)
}

// failed tells that an order was not carried out, unless it is because the fleet ends.
func (s *service) failed(err error) {
	if s.sup.ctx.Err() != nil {
		return
	}
	kind := event.Failed
	if _, unbuilt := errors.AsType[*build.Error](err); unbuilt {
		kind = event.BuildFailed
	}
	s.emit(event.Event{Kind: kind, Detail: event.Explain(err)})
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
