package muster

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/musterdev/muster/auth"
	"github.com/musterdev/muster/mtls"
	"github.com/musterdev/muster/problem"
)

// Every listener of a service passes through here: its TLS, and the guard that
// judges its token.

func serverCredentials(s mtls.Source) []grpc.ServerOption {
	if cfg := s.Server(); cfg != nil {
		return []grpc.ServerOption{grpc.Creds(credentials.NewTLS(cfg))}
	}
	return nil
}

func bearer(authorization string) string {
	scheme, token, _ := strings.Cut(authorization, " ")
	if strings.EqualFold(scheme, "Bearer") {
		return token
	}
	return ""
}

func admitHTTP(g auth.Guard, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := g.Admit(r.Context(), bearer(r.Header.Get("Authorization")))
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func admitContext(ctx context.Context, g auth.Guard) (context.Context, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	var token string
	if v := md.Get("authorization"); len(v) == 1 {
		token = bearer(v[0])
	}
	return g.Admit(ctx, token)
}

func admitUnary(g auth.Guard) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		ctx, err := admitContext(ctx, g)
		if err != nil {
			return nil, err
		}
		return handle(ctx, req)
	}
}

func admitStream(g auth.Guard) grpc.StreamServerInterceptor {
	return func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		ctx, err := admitContext(s.Context(), g)
		if err != nil {
			return err
		}
		return handle(srv, &streamWithContext{s, ctx})
	}
}

type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // grpc-go has no other way to give a stream a context
}

func (s *streamWithContext) Context() context.Context { return s.ctx }
