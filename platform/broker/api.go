package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/cloudevents"
	"github.com/musterdev/muster/problem"
)

// How long a request waits for the store, and for a cluster that is away as it comes.
const (
	storeWait = 10 * time.Second
	awayWait  = 2 * time.Second
)

// api is events over HTTP.
type api struct {
	bus    bus.Publisher
	admin  bus.Admin
	health func() error // why nothing can be stored
	reach  func() error // why the cluster is not reached
	push   *pushers
	file   file

	mu sync.Mutex // one change of the subscriptions at a time
}

// routes returns the handlers by their patterns.
func (a *api) routes() map[string]http.Handler {
	routes := map[string]http.Handler{}
	for pattern, serve := range map[string]func(w http.ResponseWriter, r *http.Request) (status int, answer any, err error){
		"POST /v1/events":       a.publish,
		"GET /v1/topics":        a.topics,
		"GET /v1/groups":        a.groups,
		"GET /v1/subscriptions": a.subscriptions,
		"PUT /v1/subscriptions": a.subscribe,
	} {
		routes[pattern] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wait := storeWait
			if a.reach() != nil {
				wait = awayWait
			}
			ctx, cancel := context.WithTimeout(r.Context(), wait)
			defer cancel()
			status, answer, err := serve(w, r.WithContext(ctx))
			var body []byte
			if err == nil {
				body, err = json.Marshal(answer)
			}
			if err != nil {
				problem.Write(w, r, err)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write(append(body, '\n')) // else the client is gone
		})
	}
	return routes
}

// taken is the answer to what was published.
type taken struct {
	Stored int `json:"stored"`
	Known  int `json:"known"` // of those of the request that were stored before
}

func (a *api) publish(w http.ResponseWriter, r *http.Request) (int, any, error) {
	r.Body = http.MaxBytesReader(w, r.Body, cloudevents.MaxBody)
	msgs, err := cloudevents.FromRequest(r)
	if err != nil {
		return 0, nil, err
	}
	if err := a.health(); err != nil {
		return 0, nil, err
	}
	var t taken
	var failed []error
	for i, result := range a.bus.Publish(r.Context(), msgs) {
		switch {
		case result.Err != nil:
			err := result.Err
			if away := a.reach(); away != nil && notStored(err) != nil {
				err = away
			}
			failed = append(failed, refused(i, len(msgs), err))
		case result.Known:
			t.Known++
		default:
			t.Stored++
		}
	}
	if len(failed) > 0 {
		first := slices.IndexFunc(failed, func(err error) bool { return !errors.Is(err, bus.ErrBatch) && !errors.Is(err, bus.ErrBehind) })
		return 0, nil, failed[max(first, 0)]
	}
	return http.StatusAccepted, t, nil
}

// refused says which of several events it is about.
func refused(i, of int, err error) error {
	if e := notStored(err); e != nil {
		err = e
	}
	if p, ok := errors.AsType[*problem.Error](err); ok && of > 1 {
		return p.WithField(fmt.Sprintf("events.%d", i), "it was not stored")
	}
	return err
}

// notStored is the answer while the store cannot be written; nil for another error.
func notStored(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || problem.CodeOf(err) == problem.Unavailable {
		message := "the events were not stored, or it is not known: send them again, with the same ids"
		if p, ok := errors.AsType[*problem.Error](err); ok {
			message = p.Message + "; send the events again, with the same ids"
		}
		return problem.Wrap(err, problem.Unavailable, "%s", message).WithRetryAfter(watchEvery)
	}
	return nil
}

func (a *api) topics(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	list, err := a.admin.Topics(r.Context())
	return http.StatusOK, append([]bus.TopicInfo{}, list...), away(err)
}

func (a *api) groups(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	list, err := a.admin.Groups(r.Context())
	return http.StatusOK, append([]bus.GroupInfo{}, list...), away(err)
}

func away(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return problem.Wrap(err, problem.Unavailable, "the broker's server does not answer").WithRetryAfter(watchEvery)
	}
	return err
}

func (a *api) subscriptions(http.ResponseWriter, *http.Request) (int, any, error) {
	return http.StatusOK, a.push.list(), nil
}

func (a *api) subscribe(w http.ResponseWriter, r *http.Request) (int, any, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFile))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return 0, nil, problem.Wrap(err, problem.TooLarge, "the subscriptions have more than %d bytes", maxFile)
	}
	if err != nil {
		return 0, nil, problem.Wrap(err, problem.InvalidArgument, "the request's body did not arrive whole")
	}
	list, err := parse(body)
	if err != nil {
		return 0, nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.file.write(list); err != nil {
		return 0, nil, problem.Wrap(err, problem.Unavailable, "the subscriptions cannot be kept on the broker's disk; nothing was changed")
	}
	a.push.set(list)
	return http.StatusOK, list, nil
}
