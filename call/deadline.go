package call

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/musterdev/muster/call/internal/carry"
	"github.com/musterdev/muster/problem"
)

// DeadlineHeader carries the time a caller still waits, in whole milliseconds.
// (gRPC has its own: grpc-timeout.)
const DeadlineHeader = "Request-Timeout"

// ReceiveDeadline gives each request's context the deadline its caller sent in
// [DeadlineHeader]. A value that is not a positive whole number is answered 400.
func ReceiveDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := r.Header.Get(DeadlineHeader)
		if v == "" {
			next.ServeHTTP(w, r)
			return
		}
		wait, err := ParseDeadline(v)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), wait)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// ParseDeadline reads a value of [DeadlineHeader]. The error is a *problem.Error,
// InvalidArgument.
func ParseDeadline(v string) (time.Duration, error) {
	ms, err := strconv.ParseInt(v, 10, 64)
	if err != nil || ms <= 0 || ms > carry.MaxDeadline.Milliseconds() {
		return 0, problem.New(problem.InvalidArgument, "header %s is not a number of milliseconds from 1 to %d",
			DeadlineHeader, carry.MaxDeadline.Milliseconds()).WithField(DeadlineHeader, "out of range")
	}
	return time.Duration(ms) * time.Millisecond, nil
}
