package proxy

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/header"
	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/valve"
	"github.com/musterdev/muster/problem"
)

// retryAfter is what a client is told to wait where nobody knows better, as when there is
// no instance: about the time in which one is started.
const retryAfter = time.Second

// Seen is what an engine saw of a call that failed.
type Seen struct {
	Client error // why the client's request ended: its context's error; nil when it has not
	Cause  error // why the call ended: the cause of its context, such as [ErrSilent]
	Body   error // why the client's body could not be read; nil when it could
}

// ErrSilent is the cause of a call that AnswerTimeout ended. By what it wraps the Caller
// knows that it was not the client who gave up.
var ErrSilent = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// Explain says what a call's error means for the client, as a *problem.Error. Where
// nothing was sent it says so: then the request may be made again whatever it does.
func (g *Gateway) Explain(x *Exchange, err error, seen Seen) error {
	service := x.Target.Service
	failed, ok := errors.AsType[*call.Failed](err)
	unsent := ok && !failed.Sent
	switch {
	case errors.Is(seen.Body, os.ErrDeadlineExceeded): // net/http ends the request then, as if the client had gone
		return BodyFault(seen.Body)
	case errors.Is(seen.Client, context.Canceled):
		return problem.Wrap(err, problem.Canceled, "the client went away before the answer")
	case unsent && errors.Is(err, call.ErrNoInstance):
		return refused(err, retryAfter, "service %q has no instance that is ready", service)
	case unsent && errors.Is(err, resilience.ErrOpen):
		return refused(err, cmp.Or(failed.After, retryAfter), "service %q is not called: too many of the latest calls failed, and its breaker is open", service)
	case unsent && errors.Is(err, resilience.ErrFull):
		return refused(err, retryAfter, "service %q is not called: as many calls are in flight as its bulkhead admits", service)
	case unsent && seen.Body == nil && errors.Is(seen.Client, context.DeadlineExceeded):
		return problem.Wrap(err, problem.DeadlineExceeded, "service %q could not be reached in the time the request allows; nothing was sent", service)
	case unsent && seen.Body == nil:
		return refused(err, retryAfter, "service %q cannot be reached", service)
	case errors.Is(seen.Cause, ErrSilent):
		return problem.Wrap(err, problem.DeadlineExceeded, "service %q gave no answer within %s; it may still do what was asked", service, g.cfg.AnswerTimeout)
	case errors.Is(seen.Client, context.DeadlineExceeded):
		return problem.Wrap(err, problem.DeadlineExceeded, "service %q gave no answer in the time the request allows; it may still do what was asked", service)
	case errors.Is(err, context.DeadlineExceeded):
		return problem.Wrap(err, problem.DeadlineExceeded, "service %q gave no answer within the timeout of calls to it; it may still do what was asked", service)
	case seen.Body != nil:
		return BodyFault(seen.Body)
	}
	return problem.Wrap(err, problem.Unknown, "service %q broke off before it answered; it is not known whether it did what was asked", service)
}

// BodyFault says what was wrong with a client's body that could not be read.
func BodyFault(err error) error {
	if e, ok := errors.AsType[*problem.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge(e.Limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e := problem.Wrap(err, problem.DeadlineExceeded, "the body of the request did not arrive in time")
		e.Status = http.StatusRequestTimeout
		return e
	}
	if f, ok := errors.AsType[*grammar.Fault](err); ok {
		e := problem.Wrap(err, problem.FromHTTPStatus(f.Status), "the body of the request cannot be read: %s", f.Reason)
		e.Status = f.Status
		return e
	}
	return problem.Wrap(err, problem.InvalidArgument, "the body of the request cannot be read")
}

// TooLarge is the error of a body beyond Request.MaxBody, in bytes.
func TooLarge(most int64) error {
	e := problem.New(problem.TooLarge, "the body of the request is larger than the %d bytes that are taken here", most)
	e.Status = http.StatusRequestEntityTooLarge
	return e
}

// BadStatus is the error of an instance's answer outside of 200 to 599, which [Config.Faults] is told.
func (g *Gateway) BadStatus(ctx context.Context, x *Exchange, status int) error {
	g.cfg.Faults.ErrorContext(ctx, "an instance answered with a status that is none",
		"status", status, "service", x.Target.Service, "instance", x.Instance, "path", x.Request.Path)
	return problem.New(problem.Unknown, "service %q answered with the status %d, which is none; it is not known whether it did what was asked",
		x.Target.Service, status)
}

// explain is Explain for net/http.
func (t *transit) explain(ctx context.Context, err error) error {
	return t.gateway.Explain(&t.Exchange, err, Seen{Client: t.in.Context().Err(), Cause: context.Cause(ctx), Body: t.body.failed()})
}

// clientFault is BodyFault, unless the client is gone.
func (t *transit) clientFault(err error) error {
	if t.in.Context().Err() != nil {
		return t.explain(t.in.Context(), err)
	}
	return BodyFault(err)
}

// Refusal is the answer that an engine without net/http gives to a request that the edge
// ends itself, by the error of Route, Enter, Judge or Explain; path is the raw one. It notes
// Err and Status. Status is 499 when there is nobody to be answered. [Gateway.Answer]
// completes the fields.
func (g *Gateway) Refusal(x *Exchange, err error, path string) (fields filter.Header, body []byte) {
	if a, ok := errors.AsType[*filter.Answer](err); ok {
		x.Status = a.Status
		return append(filter.Header{}, a.Header...), a.Body
	}
	x.Err = err
	e := problem.From(err)
	if x.Status = e.HTTPStatus(); e.Code == problem.Canceled {
		return nil, nil
	}
	if errors.Is(err, valve.ErrFull) && plain(path) {
		return g.full.answer(path)
	}
	return written(err, path)
}

// written is a problem as package problem writes it.
func written(err error, path string) (fields filter.Header, body []byte) {
	w := memory{header: http.Header{}}
	at := &url.URL{Path: path}
	if plain, err := url.PathUnescape(path); err == nil {
		at.Path, at.RawPath = plain, path // else its escapes were escaped
	}
	problem.Write(&w, &http.Request{URL: at}, err)
	for name, values := range w.header {
		for _, v := range values {
			fields.Add(name, v)
		}
	}
	return fields, w.body
}

// memory is a ResponseWriter for a short answer.
type memory struct {
	header http.Header
	body   []byte
}

func (m *memory) Header() http.Header { return m.header }
func (*memory) WriteHeader(int)       {}
func (m *memory) Write(p []byte) (int, error) {
	m.body = append(m.body, p...)
	return len(p), nil
}

// refused is a request of which no instance has heard.
func refused(err error, after time.Duration, format string, args ...any) error {
	return problem.Wrap(err, problem.Unavailable, "%s; nothing was sent", fmt.Sprintf(format, args...)).WithRetryAfter(after)
}

// fail answers a request that got no answer from an instance.
func (t *transit) fail(err error) {
	if a, ok := errors.AsType[*filter.Answer](err); ok {
		t.say(a)
		return
	}
	t.Err = err
	e := problem.From(err)
	if t.grpc && e.Code == problem.NotFound {
		e = problem.Wrap(err, problem.Unimplemented, "%s", e.Message) // what gRPC says of a method nobody has
	}
	if !t.written {
		t.Status = e.HTTPStatus()
	}
	switch {
	case e.Code == problem.Canceled || t.written:
		// No answer can be given, or no other. That the client sees none, or a broken
		// one, is up to net/http, which ends the connection or the stream.
		panic(http.ErrAbortHandler) //nolint:forbidigo // documented, and the only way for HTTP/2
	case t.grpc:
		t.failGRPC(e)
	default:
		problem.Write(t.w, t.in, e)
	}
}

// say gives the answer of a filter.
func (t *transit) say(a *filter.Answer) {
	h := filter.NetHTTP(t.w.Header())
	for _, f := range a.Header {
		h.Add(f.Name, f.Value)
	}
	t.w.WriteHeader(a.Status)
	_, _ = t.w.Write(a.Body) //nolint:gosec // what a filter says; a client that is gone needs none
}

// failGRPC answers with a status and nothing else: Trailers-Only, as the gRPC
// protocol over HTTP/2 calls it.
func (t *transit) failGRPC(e *problem.Error) {
	st := status.Convert(problem.ToGRPC(e))
	t.GRPC, t.Status = int(st.Code()), http.StatusOK
	h := t.w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.Itoa(t.GRPC))
	h.Set("Grpc-Message", header.PercentEncoded(st.Message()))
	if details, err := proto.Marshal(st.Proto()); err == nil && len(st.Details()) > 0 {
		h.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(details))
	}
	t.w.WriteHeader(http.StatusOK)
}

// httpStatus returns the HTTP status that a gRPC status code stands for.
func httpStatus(code int) int {
	return problem.FromGRPCCode(codes.Code(code)).HTTPStatus() //nolint:gosec // noteGRPC lets none through that is larger
}
