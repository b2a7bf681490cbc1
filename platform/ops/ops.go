// Package ops asks the services of a fleet that runs how their sagas and their messages
// fare, and passes on what a person orders. It speaks to the operations paths that a
// service has below /.muster on its own port, and to the broker; services that have
// none, in whatever language, are passed over.
package ops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/problem"
)

// answerWithin is how long one instance may take to answer.
const answerWithin = 5 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// Service is a service and where its instances that are ready listen. They share a
// database, so that any of them can answer.
type Service struct {
	Name    string
	URLs    []string
	Stopped bool // it is to have no instance, so that nobody can say what its database holds

	broker bool // it is the platform's own, so that an answer of another kind is none
}

// Fleet is whom to ask. Its methods ask all services at the same time. Where some do
// not answer they return what the others said, and an error that names the rest.
type Fleet struct {
	Services []Service // sorted by name
	Broker   string    // URL of the broker's HTTP; "" when the fleet has none
}

// Of finds the instances through what the supervisor knows.
func Of(st supervise.Status) *Fleet {
	f := &Fleet{Broker: st.EventsURL}
	for _, s := range st.Services {
		if slices.ContainsFunc(s.Instances, func(i instance.Status) bool { return i.TCP }) {
			continue // it has nothing of the kind, and does not understand the question
		}
		one := Service{Name: s.Name, Stopped: s.Want == 0 && len(s.Instances) == 0}
		for _, i := range s.Instances {
			if i.Phase == instance.Ready && i.Port != 0 {
				one.URLs = append(one.URLs, "http://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(i.Port)))
			}
		}
		f.Services = append(f.Services, one)
	}
	return f
}

// errNone is the answer of one who has nothing of the kind.
var errNone = errors.New("it has none")

// errStopped is said of a service that is scaled to nothing: what its database holds
// is not known, and is not taken for nothing.
var errStopped = errors.New("it has no instance to ask: muster scale gives it one")

// onlyStopped reports whether err is no more than services that have no instance.
func onlyStopped(err error) bool {
	failed, ok := errors.AsType[Failures](err)
	return ok && !slices.ContainsFunc(failed, func(err error) bool { return !errors.Is(err, errStopped) })
}

// Failures are the services that could not be asked. The rest was.
type Failures []error

func (f Failures) Error() string { return errors.Join(f...).Error() }

// Unwrap returns them one by one.
func (f Failures) Unwrap() []error { return f }

// together are the failures of two questions to the same services, each named once.
func together(a, b error) error {
	var all Failures
	said := map[string]bool{}
	for _, err := range []error{a, b} {
		failed, ok := errors.AsType[Failures](err)
		if err != nil && !ok {
			failed = Failures{err}
		}
		for _, one := range failed {
			if !said[one.Error()] {
				said[one.Error()] = true
				all = append(all, one)
			}
		}
	}
	if all == nil {
		return nil
	}
	return all
}

// each asks all at the same time and leaves out those that have none.
func each[T any](ctx context.Context, services []Service, ask func(context.Context, Service) (T, error)) (map[string]T, error) {
	var (
		mu     sync.Mutex
		failed Failures
		found  = map[string]T{}
		all    sync.WaitGroup
	)
	for _, s := range services {
		all.Go(func() {
			v, err := ask(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				found[s.Name] = v
			case errors.Is(err, errNone):
			case s.broker:
				failed = append(failed, brokerSaid{err})
			default:
				failed = append(failed, fmt.Errorf("%s: %w", s.Name, err))
			}
		})
	}
	all.Wait()
	if failed == nil {
		return found, nil
	}
	return found, failed
}

// broker is the broker as a service that can be asked, if there is one.
func (f *Fleet) broker() []Service {
	if f.Broker == "" {
		return nil
	}
	return []Service{{Name: "broker", URLs: []string{f.Broker}, broker: true}}
}

// brokerSaid is an error that names the broker itself, without its code.
type brokerSaid struct{ err error }

func (b brokerSaid) Unwrap() error { return b.err }

func (b brokerSaid) Error() string {
	if p, ok := errors.AsType[*problem.Error](b.err); ok {
		return p.Message
	}
	return "the broker: " + b.err.Error()
}

// unheard says that the broker did not answer, and why, in one line.
func unheard(ctx context.Context, at string, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, errNone) {
		return err
	}
	why := err.Error()
	if p, ok := errors.AsType[*problem.Error](err); ok {
		if p.Code != problem.Unavailable {
			return err
		}
		why = p.Message
	}
	return problem.New(problem.Unavailable, "the broker does not answer at %s: %s: see muster ps and muster logs broker", at, why)
}

// ask sends a request to an instance, to the next where nobody listens, and reads the
// answer into out. It returns errNone where there is no such path.
func (s Service) ask(ctx context.Context, method, path string, body, out any) error {
	switch {
	case s.Stopped:
		return errStopped
	case len(s.URLs) == 0:
		return errors.New("none of its instances is ready")
	}
	var err error
	for _, base := range s.URLs {
		err = askOne(ctx, method, base+path, body, out)
		var refused *net.OpError
		if !errors.As(err, &refused) || refused.Op != "dial" {
			break
		}
	}
	if s.broker {
		return unheard(ctx, s.URLs[0], err)
	}
	if _, silent := errors.AsType[silence](err); silent && method == http.MethodGet && !dialed(err) {
		return errNone // what listens there does not speak HTTP
	}
	return err
}

// silence is a request to which there was no answer, told without its URL.
type silence struct{ err error }

func (s silence) Unwrap() error { return s.err }

func (s silence) Error() string {
	err := s.err
	if asked, ok := errors.AsType[*url.Error](err); ok {
		err = asked.Err
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok {
		err = failed.Err
	}
	if errors.Is(err, io.EOF) {
		return "the connection ended before an answer"
	}
	return err.Error()
}

func askOne(ctx context.Context, method, to string, body, out any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerWithin, fmt.Errorf("no answer for %s", answerWithin))
	defer cancel()
	var sent io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, to, sent) //nolint:gosec // to is an instance of the registry and a path of ours
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req) //nolint:gosec // as above
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return silence{err}
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	return read(res, out)
}

func dialed(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok
}

// read reads an answer. A program of its own kind may answer whatever it likes.
func read(res *http.Response, out any) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")) // "" is not the one
	switch {
	case res.StatusCode >= 400 && kind == problem.ContentType:
		err := problem.FromResponse(res)
		if problem.CodeOf(err) == problem.Unimplemented {
			return errNone
		}
		return err
	case res.StatusCode >= 500:
		return problem.FromResponse(res)
	case res.StatusCode/100 != 2 || kind != "application/json":
		return errNone
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("its answer cannot be read: %w", err)
	}
	return nil
}
