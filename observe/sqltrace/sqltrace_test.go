package sqltrace_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/observe/sqltrace"
)

func TestSummary(t *testing.T) {
	for statement, want := range map[string]string{
		`SELECT id, state FROM orders WHERE id = $1`: "SELECT orders",
		"select\n count(*)\nfrom\tpublic.orders;":    "SELECT public.orders",
		`SELECT (SELECT 1 FROM a), b FROM c`:         "SELECT a",
		`SELECT 1`:                                   "SELECT",
		`SELECT * FROM (SELECT 1)`:                   "SELECT SELECT",
		`INSERT INTO "order_lines" (a) VALUES ($1) ON CONFLICT (a) DO NOTHING`: "INSERT order_lines",
		`INSERT OR REPLACE INTO t(a) VALUES (1)`:                               "INSERT t",
		`UPDATE orders SET state = 'failed'`:                                   "UPDATE orders",
		`DELETE FROM carts WHERE id = $1`:                                      "DELETE carts",
		`BEGIN`:                                                                "BEGIN",
		`COMMIT;`:                                                              "COMMIT",
		`PRAGMA journal_mode=WAL`:                                              "PRAGMA",
		``:                                                                     "SQL",
		`-- a remark`:                                                          "--",
		`DELETE FROM ` + strings.Repeat("x", 64):                               "DELETE",
		`UPDATE a;b SET x=1`:                                                   "UPDATE a",
		strings.Repeat("x", 21):                                                "SQL",
	} {
		operation, target := sqltrace.Summary(statement)
		if got := strings.TrimSpace(operation + " " + target); got != want {
			t.Errorf("%q: %q, want %q", statement, got, want)
		}
	}
}

func FuzzSummary(f *testing.F) {
	f.Add("SELECT a FROM b")
	f.Add("UPDATE \"\xff")
	f.Fuzz(func(t *testing.T, statement string) {
		operation, target := sqltrace.Summary(statement)
		if operation == "" || len(operation) > 60 || len(target) > 63 {
			t.Errorf("%q: %q %q", statement, operation, target)
		}
	})
}

type refused struct{}

func (refused) Error() string    { return "duplicate key" }
func (refused) SQLState() string { return "23505" }

func TestStatementsHaveSpansBelowRecordedOnes(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	db := sqltrace.Database{System: "sqlite", Namespace: "orders"}
	run := func(ctx context.Context, statement string, err error) {
		_, end := db.Start(ctx, statement)
		end(err)
	}
	run(t.Context(), "SELECT 1 FROM a", nil)
	unsampled := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}))
	run(unsampled, "SELECT 1 FROM a", nil)
	if n := len(spans.Started()); n != 0 {
		t.Errorf("%d spans outside of any", n)
	}
	ctx, root := tracer.Start(t.Context(), "request")
	run(ctx, "SELECT x FROM orders WHERE id = $1", sql.ErrNoRows)
	run(ctx, "INSERT INTO orders VALUES ($1)", refused{})
	run(ctx, "UPDATE orders SET note = '"+strings.Repeat("é", 3000)+"'", errors.New("disk full"))
	root.End()
	var got []string
	for _, s := range spans.Ended()[:3] {
		text := fmt.Sprint(s.Name(), " ", s.SpanKind(), " ", s.Status().Code == codes.Error)
		for _, a := range s.Attributes() {
			if a.Key == "db.response.status_code" || a.Key == "db.namespace" || a.Key == "db.collection.name" {
				text += " " + a.Value.AsString()
			}
			if a.Key == "db.query.text" && (len(a.Value.AsString()) > 2100 || !strings.HasPrefix(a.Value.AsString(), s.Name()[:6])) {
				t.Errorf("the statement's text: %.50s, %d bytes", a.Value.AsString(), len(a.Value.AsString()))
			}
		}
		got = append(got, text)
		if s.Parent().SpanID() != root.SpanContext().SpanID() {
			t.Errorf("%s is not below the request", s.Name())
		}
	}
	for i, want := range []string{"SELECT orders client false", "INSERT orders client true", "UPDATE orders client true"} {
		if !strings.HasPrefix(got[i], want) || !strings.Contains(got[i], " orders") || i == 1 && !strings.Contains(got[i], "23505") {
			t.Errorf("%s, want %s", got[i], want)
		}
	}
}

func ExampleDatabase_Start() {
	db := sqltrace.Database{System: "sqlite", Namespace: "orders"}
	query := func(ctx context.Context, statement string) error {
		_, end := db.Start(ctx, statement)
		var err error // of carrying it out
		end(err)
		return err
	}
	fmt.Println(query(context.Background(), "SELECT 1"))
	// Output: <nil>
}
