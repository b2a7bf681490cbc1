package ctl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/problem"
)

// Bounds of a request.
const (
	maxBody     = 64 << 10
	defaultTail = 100
	maxTail     = 10_000
	maxAway     = time.Hour
	lastAnswers = 2 * time.Second // for answers on their way when the server ends
)

// Serve answers on the control socket for a supervisor until ctx ends, then closes
// the socket. Let it end after Run has returned, so that "down" gets its answer.
func Serve(ctx context.Context, l net.Listener, s *supervise.Supervisor) error {
	streams, cut := context.WithCancel(context.Background())
	server := &http.Server{
		Handler: Handler(s), ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return streams },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		cut()
		return fmt.Errorf("control socket: %w", err)
	case <-ctx.Done():
	}
	late := time.AfterFunc(lastAnswers/2, cut) // followers of logs would stay for ever
	defer late.Stop()
	defer cut()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswers)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		_ = server.Close()
	}
	_ = l.Close()
	return nil
}

// Handler returns the control API of a supervisor. It is safe for concurrent use.
func Handler(s *supervise.Supervisor) http.Handler {
	api := &server{supervisor: s}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", api.answer(api.status))
	mux.HandleFunc("GET /v1/env", api.answer(api.env))
	mux.HandleFunc("GET /v1/logs", api.logs)
	mux.HandleFunc("POST /v1/scale", api.answer(api.scale))
	mux.HandleFunc("POST /v1/replace", api.answer(api.replace))
	mux.HandleFunc("POST /v1/kill", api.answer(api.kill))
	mux.HandleFunc("POST /v1/upgrade", api.answer(api.upgrade))
	mux.HandleFunc("POST /v1/down", api.answer(api.down))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.New(problem.NotFound, "there is no %s %s here", r.Method, r.URL.Path))
	})
	return mux
}

type server struct{ supervisor *supervise.Supervisor }

// order is the body of every order; each uses its part.
type order struct {
	Service  string `json:"service,omitempty"`
	Instance string `json:"instance,omitempty"`
	Replicas *int   `json:"replicas,omitempty"`
	For      string `json:"for,omitempty"` // a duration such as "20s"
	Engine   string `json:"engine,omitempty"`
	Program  string `json:"program,omitempty"` // path of the binary
}

// answer turns a function into a handler. An order is carried out to its end even
// if nobody waits for the answer any more: half a replacement helps nobody.
func (a *server) answer(do func(context.Context, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if r.Method == http.MethodPost {
			ctx = context.WithoutCancel(ctx)
		}
		out, err := do(ctx, r)
		if err != nil {
			problem.Write(w, r, asProblem(err))
			return
		}
		if out == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out) // whoever asked has gone
	}
}

func (a *server) status(context.Context, *http.Request) (any, error) {
	return a.supervisor.Status(), nil
}

func (a *server) env(_ context.Context, r *http.Request) (any, error) {
	name := r.URL.Query().Get("service")
	if name == "" {
		return nil, invalid("service", "name the service")
	}
	return a.supervisor.Environment(name)
}

func (a *server) scale(ctx context.Context, r *http.Request) (any, error) {
	in, err := read(r)
	switch {
	case err != nil:
		return nil, err
	case in.Service == "":
		return nil, invalid("service", "name the service")
	case in.Replicas == nil:
		return nil, invalid("replicas", "say how many instances it should have")
	}
	return nil, a.supervisor.Scale(ctx, in.Service, *in.Replicas)
}

func (a *server) replace(ctx context.Context, r *http.Request) (any, error) {
	in, err := read(r)
	switch {
	case err != nil:
		return nil, err
	case in.Instance != "":
		return nil, a.supervisor.ReplaceInstance(ctx, in.Instance)
	case in.Service != "":
		return nil, a.supervisor.Replace(ctx, in.Service)
	default:
		return nil, invalid("service", "name the service, or one instance of it")
	}
}

func (a *server) kill(_ context.Context, r *http.Request) (any, error) {
	in, err := read(r)
	switch {
	case err != nil:
		return nil, err
	case in.Instance == "":
		return nil, invalid("instance", "name the instance")
	case in.For == "":
		return nil, a.supervisor.Kill(in.Instance)
	}
	away, err := time.ParseDuration(in.For)
	if err != nil || away < 0 || away > maxAway {
		return nil, invalid("for", "must be a duration up to "+maxAway.String()+", such as 20s")
	}
	return nil, a.supervisor.KillFor(in.Instance, away)
}

func (a *server) upgrade(ctx context.Context, r *http.Request) (any, error) {
	in, err := read(r)
	switch {
	case err != nil:
		return nil, err
	case in.Engine == "":
		return nil, invalid("engine", "name the engine")
	}
	return nil, a.supervisor.Upgrade(ctx, in.Engine, in.Program)
}

func (a *server) down(ctx context.Context, _ *http.Request) (any, error) {
	return nil, a.supervisor.Down(ctx)
}

func (a *server) logs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	tail := defaultTail
	if s := q.Get("tail"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > maxTail {
			problem.Write(w, r, invalid("tail", fmt.Sprintf("must be a number of lines from 0 to %d", maxTail)))
			return
		}
		tail = n
	}
	if q.Get("follow") == "true" {
		a.follow(w, r, q.Get("service"), tail)
		return
	}
	lines, err := a.supervisor.Tail(q.Get("service"), tail)
	if err != nil {
		problem.Write(w, r, asProblem(err))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	for out := json.NewEncoder(w); len(lines) > 0; lines = lines[1:] {
		if err := out.Encode(lines[0]); err != nil {
			return
		}
	}
}

func (a *server) follow(w http.ResponseWriter, r *http.Request, service string, tail int) {
	f, err := a.supervisor.Follow(service, tail)
	if err != nil {
		problem.Write(w, r, asProblem(err))
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/x-ndjson")
	flush := http.NewResponseController(w)
	if flush.Flush() != nil { // the headers: the reader knows it follows
		return
	}
	for out := json.NewEncoder(w); ; {
		select {
		case <-r.Context().Done():
			return
		case line := <-f.Lines():
			if writeAll(out, line, f) != nil || flush.Flush() != nil {
				return
			}
		}
	}
}

// writeAll writes a line and those that wait behind it.
func writeAll(out *json.Encoder, line logs.Line, f *logs.Follower) error {
	for {
		if err := out.Encode(line); err != nil {
			return err
		}
		select {
		case line = <-f.Lines():
		default:
			return nil
		}
	}
}

// read reads an order strictly: a wrong key is no order.
func read(r *http.Request) (in order, err error) {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return in, problem.Wrap(err, problem.InvalidArgument, "the body is not an order: %v", err)
	}
	return in, nil
}

func invalid(field, reason string) error {
	return problem.New(problem.InvalidArgument, "the request cannot be understood").WithField(field, reason)
}

// outputKey is where a problem's Meta holds what a failed program had printed.
const outputKey = "output"

// asProblem gives an error of the supervisor its code. Whoever may open the socket
// may know everything, so its text is told as it is.
func asProblem(err error) error {
	if known, ok := errors.AsType[*problem.Error](err); ok {
		return known
	}
	code := problem.FailedPrecondition
	switch {
	case errors.Is(err, supervise.ErrUnknown):
		code = problem.NotFound
	case errors.Is(err, supervise.ErrNotReady):
		code = problem.Unavailable
	}
	p := problem.Wrap(err, code, "%s", err.Error())
	if lines := event.Details(err); len(lines) > 0 {
		return p.WithMeta(outputKey, strings.Join(lines, "\n"))
	}
	return p
}
