package datatest

import (
	"context"
	"database/sql"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func runGRPC(t *testing.T, fresh Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){"interceptor": grpcInterceptor})
}

// The method Pay, as generated code would declare it.
const payMethod = "/datatest.Bank/Pay"

type bank struct{ db *sql.DB }

func (b *bank) pay(ctx context.Context, in *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return idempotency.Run(ctx, b.db, func(ctx context.Context, tx tx.Tx) (*wrapperspb.StringValue, error) {
		_, err := tx.ExecContext(ctx, "INSERT INTO effect VALUES ($1, 'paid')", in.GetValue())
		var n int64
		if err == nil {
			err = tx.QueryRowContext(ctx, "SELECT count(*) FROM effect").Scan(&n)
		}
		return wrapperspb.String(in.GetValue() + " " + string(rune('0'+n))), err
	})
}

func serveBank(t *testing.T, db *sql.DB) *grpc.ClientConn {
	t.Helper()
	handler := func(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.StringValue)
		if err := dec(in); err != nil {
			return nil, err
		}
		return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: payMethod}, func(ctx context.Context, req any) (any, error) {
			return srv.(*bank).pay(ctx, req.(*wrapperspb.StringValue)) //nolint:forcetypeassert // registered as such
		})
	}
	server := grpc.NewServer(grpc.ChainUnaryInterceptor(problem.UnaryServerInterceptor(nil), idempotency.UnaryServerInterceptor()))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "datatest.Bank", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Pay", Handler: handler}},
	}, &bank{db})
	listener := bufconn.Listen(1 << 16)
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///bank", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	dbtest.Succeed(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func grpcInterceptor(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	conn := serveBank(t, db)
	call := func(who string, keys ...string) (answer, replayed string, err error) {
		ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{idempotency.KeyMetadata: keys})
		var header metadata.MD
		out := new(wrapperspb.StringValue)
		err = conn.Invoke(ctx, payMethod, wrapperspb.String(who), out, grpc.Header(&header))
		if v := header.Get(idempotency.ReplayedMetadata); len(v) > 0 {
			replayed = v[0]
		}
		return out.GetValue(), replayed, err
	}
	first, replayed, err := call("ann", "k")
	dbtest.Succeed(t, err)
	dbtest.Want(t, "answer", first, "ann 1")
	dbtest.Want(t, "replayed", replayed, "")
	again, replayed, err := call("ann", "k")
	dbtest.Succeed(t, err)
	dbtest.Want(t, "answer", again, first)
	dbtest.Want(t, "replayed", replayed, "true")
	for name, tc := range map[string]struct {
		who  string
		keys []string
		code codes.Code
		is   problem.Code
	}{
		"another message": {"bob", []string{"k"}, codes.InvalidArgument, problem.Unprocessable},
		"a bad key":       {"ann", []string{"a b"}, codes.InvalidArgument, problem.InvalidArgument},
		"two keys":        {"ann", []string{"k", "l"}, codes.InvalidArgument, problem.InvalidArgument},
	} {
		_, _, err := call(tc.who, tc.keys...)
		dbtest.Want(t, name, status.Code(err), tc.code)
		dbtest.Want(t, name, problem.CodeOf(problem.FromGRPC(err)), tc.is)
	}
	dbtest.Want(t, "effects", effects(t, db), 1)
	for range 2 {
		_, replayed, err := call("ann")
		dbtest.Succeed(t, err)
		dbtest.Want(t, "replayed without a key", replayed, "")
	}
	dbtest.Want(t, "effects", effects(t, db), 3)
}
