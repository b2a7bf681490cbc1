package proxy

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// retryAfter is what a client is told to wait where nobody knows better, as when there is
// no instance: about the time in which one is started.
const retryAfter = time.Second

// explain says what an attempt's error means for the client, as a *problem.Error. Where
// nothing was sent it says so: then the request may be made again whatever it does.
func (t *transit) explain(ctx context.Context, err error) error {
	service := t.Target.Service
	fault := t.body.failed()
	failed, ok := errors.AsType[*call.Failed](err)
	unsent := ok && !failed.Sent
	switch {
	case errors.Is(t.in.Context().Err(), context.Canceled):
		return problem.Wrap(err, problem.Canceled, "the client went away before the answer")
	case unsent && errors.Is(err, call.ErrNoInstance):
		return refused(err, retryAfter, "service %q has no instance that is ready", service)
	case unsent && errors.Is(err, resilience.ErrOpen):
		return refused(err, cmp.Or(failed.After, retryAfter), "service %q is not called: too many of the latest calls failed, and its breaker is open", service)
	case unsent && errors.Is(err, resilience.ErrFull):
		return refused(err, retryAfter, "service %q is not called: as many calls are in flight as its bulkhead admits", service)
	case unsent && fault == nil && errors.Is(t.in.Context().Err(), context.DeadlineExceeded):
		return problem.Wrap(err, problem.DeadlineExceeded, "service %q could not be reached in the time the request allows; nothing was sent", service)
	case unsent && fault == nil:
		return refused(err, retryAfter, "service %q cannot be reached", service)
	case errors.Is(context.Cause(ctx), errSilent):
		return problem.Wrap(err, problem.DeadlineExceeded, "service %q gave no answer within %s; it may still do what was asked", service, t.gateway.cfg.AnswerTimeout)
	case errors.Is(t.in.Context().Err(), context.DeadlineExceeded):
		return problem.Wrap(err, problem.DeadlineExceeded, "service %q gave no answer in the time the request allows; it may still do what was asked", service)
	case errors.Is(err, context.DeadlineExceeded):
		return problem.Wrap(err, problem.DeadlineExceeded, "service %q gave no answer within the timeout of calls to it; it may still do what was asked", service)
	case fault != nil:
		return t.clientFault(fault)
	}
	return problem.Wrap(err, problem.Unknown, "service %q broke off before it answered; it is not known whether it did what was asked", service)
}

// refused is a request of which no instance has heard.
func refused(err error, after time.Duration, format string, args ...any) error {
	return problem.Wrap(err, problem.Unavailable, "%s; nothing was sent", fmt.Sprintf(format, args...)).WithRetryAfter(after)
}

// fail answers a request that got no answer from an instance.
func (t *transit) fail(err error) {
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
		counted := &counting{ResponseWriter: t.w}
		problem.Write(counted, t.in, e)
		t.Bytes = counted.n
	}
}

// failGRPC answers with a status and nothing else: Trailers-Only, as the gRPC
// protocol over HTTP/2 calls it.
func (t *transit) failGRPC(e *problem.Error) {
	st := status.Convert(problem.ToGRPC(e))
	t.GRPC, t.Status = int(st.Code()), http.StatusOK
	h := t.w.Header()
	h.Set("Content-Type", "application/grpc")
	h.Set("Grpc-Status", strconv.Itoa(t.GRPC))
	h.Set("Grpc-Message", percentEncoded(st.Message()))
	if details, err := proto.Marshal(st.Proto()); err == nil && len(st.Details()) > 0 {
		h.Set("Grpc-Status-Details-Bin", base64.RawStdEncoding.EncodeToString(details))
	}
	t.w.WriteHeader(http.StatusOK)
}

// percentEncoded writes a status message as the gRPC protocol wants it: printable
// ASCII but "%" as it is, other bytes encoded.
func percentEncoded(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= ' ' && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// isGRPC reports whether a request is a gRPC call. gRPC-Web is not: it is HTTP.
func isGRPC(r *http.Request) bool {
	if r.ProtoMajor != 2 {
		return false
	}
	rest, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// httpStatus returns the HTTP status that a gRPC status code stands for.
func httpStatus(code int) int {
	return problem.FromGRPCCode(codes.Code(code)).HTTPStatus() //nolint:gosec // noteGRPC lets none through that is larger
}

// counting counts the bytes of a body.
type counting struct {
	http.ResponseWriter

	n int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n += int64(n)
	return n, err
}
