package ops

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/musterdev/muster/call/seen"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/problem"
)

// Calls is how the calls of a fleet stand, by caller.
type Calls struct {
	Callers []Caller  `json:"callers"`
	Missing []Missing `json:"missing"` // whoever could not be asked
}

// Caller is how the calls of one instance stand, and what is not as it should be.
type Caller struct {
	seen.Process

	Unusual []string `json:"unusual"`
}

// callsWithin is how long instances may take to tell how their calls stand: one that
// hangs is not to keep people from seeing the others.
const callsWithin = time.Second

// CallsOf asks all instances that are ready, the engines and by edge the edge too.
func CallsOf(ctx context.Context, st supervise.Status, edge func(context.Context) (seen.Process, error)) Calls {
	ctx, cancel := context.WithTimeout(ctx, callsWithin)
	defer cancel()
	f := Of(st)
	for _, e := range st.Engines {
		if e.Port != 0 && e.Service != "edge" { // whose port is for what comes from outside
			f.Services = append(f.Services, Service{Name: e.Service, URLs: []string{"http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Port))}})
		}
	}
	calls := f.calls(ctx)
	if its, err := edge(ctx); err == nil { // a fleet may have none
		calls.Callers = append([]Caller{callerOf(its)}, calls.Callers...)
	}
	return calls
}

func callerOf(s seen.Process) Caller { return Caller{s, append([]string{}, s.Unusual()...)} }

func (f *Fleet) calls(ctx context.Context) Calls {
	all, err := f.Calls(ctx)
	out := Calls{Callers: []Caller{}, Missing: missing(err)}
	for _, s := range all {
		out.Callers = append(out.Callers, callerOf(s))
	}
	return out
}

// Calls returns how the calls of each instance stand, by service and instance. Other than
// sagas they are each instance's own, so that all are asked.
func (f *Fleet) Calls(ctx context.Context) ([]seen.Process, error) {
	found, err := each(ctx, f.Services, func(ctx context.Context, s Service) ([]seen.Process, error) { return s.calls(ctx) })
	var list []seen.Process
	for _, l := range found {
		list = append(list, l...)
	}
	slices.SortFunc(list, func(a, b seen.Process) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance))
	})
	return list, err
}

// calls asks all instances at the same time. One that does not answer is told by an
// error only when none does.
func (s Service) calls(ctx context.Context) ([]seen.Process, error) {
	if len(s.URLs) == 0 {
		return nil, errNone // what is not ready is shown as such already
	}
	var (
		mu     sync.Mutex
		list   []seen.Process
		failed error
		all    sync.WaitGroup
	)
	for _, url := range s.URLs {
		all.Go(func() {
			var its seen.Process
			err := askOne(ctx, http.MethodGet, url+seen.Path, nil, &its)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case problem.CodeOf(err) == problem.NotFound, errors.Is(err, errNone): // it is in another language
			case err != nil:
				failed = err
			case its.Service == s.Name && its.Instance != "": // a program of its own kind answers anything
				list = append(list, its)
			}
		})
	}
	all.Wait()
	switch {
	case len(list) > 0:
		return list, nil
	case failed != nil:
		return nil, failed
	}
	return nil, errNone
}
