package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/musterdev/muster/observe/sqltrace"
)

// tracer makes a span of each statement, from when it is sent until its rows are read.
type tracer struct{ database sqltrace.Database }

type tracedKey struct{}

// TraceQueryStart begins a span, where the context has one that is recorded.
func (t tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	ctx, end := t.database.Start(ctx, data.SQL)
	return context.WithValue(ctx, tracedKey{}, end)
}

// TraceQueryEnd ends it.
func (tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	if end, ok := ctx.Value(tracedKey{}).(func(error)); ok {
		end(data.Err)
	}
}
