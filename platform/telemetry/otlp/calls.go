package otlp

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

const tooManyCalls = "too many calls bring telemetry at once: send it again"

// ServerOptions are those of a server with which [Receiver.Register] is to be used: they
// bound messages and, as grpc-go holds each in memory before the receiver sees it, how many
// calls there may be at once and how long one may take.
func (r *Receiver) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.MaxRecvMsgSize(int(r.Limits.withDefaults().Body)), grpc.InTapHandle(r.admit)}
}

// admit takes a call, or none of it was read yet when it is refused.
func (r *Receiver) admit(ctx context.Context, _ *tap.Info) (context.Context, error) {
	lim := r.Limits.withDefaults()
	if !r.enter(lim) {
		return nil, status.Error(codes.Unavailable, tooManyCalls)
	}
	ctx, cancel := context.WithTimeout(ctx, lim.Read)
	context.AfterFunc(ctx, func() {
		cancel()
		r.calls.Add(-1)
	})
	return ctx, nil
}

func (r *Receiver) enter(lim Limits) bool {
	if r.calls.Add(1) <= int64(lim.Calls) {
		return true
	}
	r.calls.Add(-1)
	r.tally.request("throttled")
	return false
}

// Bounded does what [Receiver.ServerOptions] do for a server whose ServeHTTP is called,
// where grpc-go does not ask.
func (r *Receiver) Bounded(server http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		lim := r.Limits.withDefaults()
		if !r.enter(lim) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", strconv.Itoa(int(codes.Unavailable)))
			w.Header().Set("Grpc-Message", tooManyCalls)
			return
		}
		defer r.calls.Add(-1)
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lim.Read)) // where there is none, its server's bound holds
		server.ServeHTTP(w, req)
	})
}
