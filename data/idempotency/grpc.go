package idempotency

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/problem"
)

// The gRPC metadata.
const (
	KeyMetadata      = "idempotency-key"
	ReplayedMetadata = "idempotency-replayed" // in the header of an answer that is an earlier one
)

// UnaryServerInterceptor is [Middleware] for gRPC: it passes the metadata
// idempotency-key to the handler's context, for [Run] and [Begin], and sets
// idempotency-replayed on what they replay. Keys are unique within method and
// principal; the same key with another message is a different request.
func UnaryServerInterceptor() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		keys := metadata.ValueFromIncomingContext(ctx, KeyMetadata)
		if len(keys) == 0 {
			return handler(ctx, req)
		}
		if len(keys) > 1 {
			return nil, problem.New(problem.InvalidArgument, "the request has %d idempotency keys: send one", len(keys))
		}
		if err := checkKey(keys[0]); err != nil {
			return nil, err
		}
		m, ok := req.(proto.Message)
		if !ok {
			return nil, problem.Wrap(fmt.Errorf("idempotency: %T is not a protobuf message", req), problem.Internal, "this method takes no idempotency key")
		}
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			return nil, problem.Wrap(err, problem.InvalidArgument, "the request's message is not complete")
		}
		ctx = WithRequest(ctx, Request{
			Scope:       scopeOf(ctx, info.FullMethod),
			Key:         keys[0],
			Fingerprint: fingerprint([]byte(info.FullMethod), body),
		})
		res, err := handler(ctx, req)
		if Replayed(ctx) {
			_ = grpc.SetHeader(ctx, metadata.Pairs(ReplayedMetadata, "true")) // fails only where the handler has sent the header
		}
		return res, err
	}
}
