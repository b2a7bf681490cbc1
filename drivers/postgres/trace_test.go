package postgres_test

import (
	"slices"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

// Each statement of a request is a span of it; what a service does on its own has none.
func TestSpansOfStatements(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	db, err := postgres.Driver.Open(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE a (id bigint PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	if n := len(spans.Started()); n != 0 {
		t.Errorf("%d spans outside of a request", n)
	}
	ctx, request := provider.Tracer("test").Start(t.Context(), "request")
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO a VALUES ($1)`, 1); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, `INSERT INTO a VALUES ($1)`, 1); err == nil {
		t.Error("the same key twice")
	}
	var id int
	if err := db.QueryRowContext(ctx, `SELECT id FROM a`).Scan(&id); err != nil {
		t.Error(err)
	}
	request.End()
	var got []string
	for _, s := range spans.Ended() {
		text := s.Name()
		for _, a := range s.Attributes() {
			if a.Key == "db.response.status_code" || a.Key == "db.system.name" {
				text += " " + a.Value.AsString()
			}
		}
		got = append(got, text)
	}
	want := []string{"BEGIN postgresql", "INSERT a postgresql", "COMMIT postgresql", "INSERT a postgresql 23505", "SELECT a postgresql", "request"}
	if !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}
