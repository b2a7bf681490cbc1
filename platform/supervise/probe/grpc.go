package probe

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

func askGRPC(ctx context.Context, t Target) Answer {
	asked := "grpc.health.v1.Health/Check at " + t.Address
	conn, err := grpc.NewClient("passthrough:///"+t.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return Answer{Text: asked + ": " + err.Error()}
	}
	defer func() { _ = conn.Close() }()
	res, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	switch {
	case status.Code(err) == codes.Unimplemented && t.Assumed:
		return Answer{Yes: true, Text: asked + ": UNIMPLEMENTED (it answers; it has no health service)"}
	case err != nil:
		return Answer{Text: asked + ": " + status.Code(err).String() + ": " + status.Convert(err).Message()}
	default:
		serving := res.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
		return Answer{Yes: serving, Text: asked + ": " + res.GetStatus().String()}
	}
}
