package registry

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	// maxProbes bounds the suspects that are asked at a time.
	maxProbes = 256
	// probesPerLease bounds the time of one probe, as a part of a lease.
	probesPerLease = 4
)

// doubt says in the log that many fell silent, when they were not known to be.
func (r *Registry) doubt(suspects []Suspect) {
	newly := 0
	for _, s := range suspects {
		if !s.Again {
			newly++
		}
	}
	if newly > 0 {
		r.log.Warn("many instances fell silent together; each is asked before it is given up", "instances", newly, "first", suspects[0].Instance.ID)
	}
}

// probe asks the suspects and passes on what each answers. It takes half a lease at
// most; who was not asked by then is a suspect again when its lease ends.
func (r *Registry) probe(ctx context.Context, suspects []Suspect, room chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.TTL/2)
	defer cancel()
	var asked sync.WaitGroup
	defer asked.Wait()
	for _, s := range suspects {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return
		}
		asked.Go(func() {
			defer func() { <-room }()
			if alive, known := r.ask(ctx, s.Instance.Endpoints); known {
				r.change(func(store *Store, now time.Time) { store.Probed(s, alive, now) })
			}
		})
	}
}

// ask reports whether somebody listens at one of the addresses, and whether that is
// known: an error of this side says nothing about the other.
func (r *Registry) ask(ctx context.Context, endpoints map[string]string) (alive, known bool) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.TTL/probesPerLease, errSilent)
	defer cancel()
	answers := make(chan error, len(endpoints))
	for _, address := range endpoints {
		go func() {
			conn, err := r.cfg.Dial(ctx, address)
			if err == nil {
				_ = conn.Close() // that it was opened is the answer
			}
			answers <- err
		}()
	}
	known = true
	for range endpoints {
		switch err := <-answers; {
		case err == nil:
			return true, true
		case !isAbsence(ctx, err):
			known = false
		}
	}
	return false, known
}

// errSilent is why a probe ends that nobody answers.
var errSilent = errors.New("no answer in time")

// isAbsence reports whether an error of connecting says that nobody is there.
func isAbsence(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return errors.Is(context.Cause(ctx), errSilent)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || ok && timeout.Timeout()
}
