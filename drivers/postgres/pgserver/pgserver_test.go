package pgserver_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/musterdev/muster/drivers/postgres/pgserver"
)

// What was committed is there after a crash, on the same port, and what was not is not.
func TestRestart(t *testing.T) {
	s, err := pgserver.Start(pgserver.Config{})
	if errors.Is(err, pgserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip("suite PostgreSQL skipped: " + err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	open := func() *pgx.Conn {
		t.Helper()
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err != nil {
			t.Fatal(err)
		}
		return conn
	}
	if _, err := open().Exec(ctx, "CREATE TABLE kept (n int)"); err != nil {
		t.Fatal(err)
	}
	pid := s.PID()
	for i, how := range []pgserver.Crash{pgserver.Killed, pgserver.Immediate, pgserver.Killed} {
		conn := open()
		if _, err := conn.Exec(ctx, "INSERT INTO kept VALUES ($1)", i); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "BEGIN; INSERT INTO kept VALUES (100)"); err != nil {
			t.Fatal(err)
		}
		away, err := s.Restart(ctx, how, 100*time.Millisecond)
		if err != nil || away < 100*time.Millisecond || s.PID() == pid {
			t.Fatalf("%s: process %d of before %d, away for %s, %v", how, s.PID(), pid, away, err)
		}
		pid = s.PID()
		if _, err := conn.Exec(ctx, "SELECT 1"); err == nil {
			t.Errorf("%s: a connection of before goes on", how)
		}
		var n, sum int
		if err := open().QueryRow(ctx, "SELECT count(*), sum(n) FROM kept").Scan(&n, &sum); err != nil || n != i+1 || sum != i*(i+1)/2 {
			t.Errorf("%s: %d rows, sum %d, %v", how, n, sum, err)
		}
		t.Logf("%s: away for %s", how, away)
	}
}

func Example() { //nolint:testableexamples // needs PostgreSQL's programs
	server, err := pgserver.Start(pgserver.Config{})
	if err != nil {
		return // not installed here
	}
	defer server.Stop()
	conn, err := pgx.Connect(context.Background(), server.URL("postgres"))
	if err != nil {
		return
	}
	_ = conn.Close(context.Background())
	_, _ = server.Restart(context.Background(), pgserver.Killed, time.Second)
}
