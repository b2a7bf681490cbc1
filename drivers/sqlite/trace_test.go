package sqlite_test

import (
	"database/sql"
	"slices"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/musterdev/muster/drivers/sqlite"
)

// Each statement of a request is a span of it, which ends when its rows were read; what a
// service does on its own has none.
func TestSpansOfStatements(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	db, err := sqlite.Driver.Open(t.Context(), "sqlite:"+t.TempDir()+"/orders.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE a (id INTEGER PRIMARY KEY)`); err != nil {
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
	if _, err := tx.ExecContext(ctx, `INSERT INTO a VALUES ($1), ($2)`, 1, 2); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO a VALUES ($1)`, 1); err == nil {
		t.Error("the same key twice")
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	rows, err := db.QueryContext(ctx, `SELECT id FROM a`)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(spans.Ended()); n != 4 {
		t.Errorf("%d spans before the rows were read", n)
	}
	read(t, rows)
	stmt, err := db.PrepareContext(ctx, `DELETE FROM a WHERE id = $1`)
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	if _, err := stmt.ExecContext(ctx, 1); err != nil {
		t.Error(err)
	}
	undone, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := undone.Rollback(); err != nil {
		t.Error(err)
	}
	request.End()
	var got []string
	for _, s := range spans.Ended() {
		text := s.Name()
		for _, a := range s.Attributes() {
			if a.Key == "db.namespace" || a.Key == "db.response.status_code" {
				text += " " + a.Value.AsString()
			}
		}
		got = append(got, text)
	}
	want := []string{
		"BEGIN orders", "INSERT a orders", "INSERT a orders 23505", "COMMIT orders", "SELECT a orders", "DELETE a orders", "BEGIN orders", "ROLLBACK orders", "request",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %s, want %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func read(t *testing.T, rows *sql.Rows) {
	t.Helper()
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			t.Error(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
	if err := rows.Close(); err != nil {
		t.Error(err)
	}
}
