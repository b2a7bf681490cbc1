package problem

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
)

// UnaryServerInterceptor makes every error of a handler a status by [ToGRPC] and a
// panic an Internal error, so that one bad request does not end the process. What
// the caller does not see goes to log: an error with an HTTP status of 500 or more
// with its cause, a panic with its stack. A nil log drops it.
func UnaryServerInterceptor(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (res any, err error) {
		defer func() {
			err = settle(ctx, log, info.FullMethod, recover(), err)
			if err != nil {
				res = nil
			}
		}()
		return next(ctx, req)
	}
}

// StreamServerInterceptor is [UnaryServerInterceptor] for streams.
func StreamServerInterceptor(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
		defer func() { err = settle(stream.Context(), log, info.FullMethod, recover(), err) }()
		return next(srv, stream)
	}
}

func settle(ctx context.Context, log *slog.Logger, method string, panicked any, err error) error {
	if panicked != nil {
		err = Recovered(panicked)
	}
	if err == nil {
		return nil
	}
	if log != nil && CodeOf(err).HTTPStatus() >= 500 {
		log.ErrorContext(ctx, "request failed", "method", method, "code", string(CodeOf(err)), "error", err)
	}
	return ToGRPC(err)
}

// Recovered returns the Internal error that stands for a recovered panic's value,
// with the stack of the calling goroutine in its cause. Call it in the deferred
// function, where the stack is still the panic's.
func Recovered(value any) *Error {
	_, _, message, _ := Internal.facts()
	if err, ok := value.(error); ok {
		return Wrap(fmt.Errorf("panic: %w\n%s", err, debug.Stack()), Internal, "%s", message)
	}
	return Wrap(fmt.Errorf("panic: %v\n%s", value, debug.Stack()), Internal, "%s", message)
}
