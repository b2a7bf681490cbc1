package engines_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/mysql"
	"github.com/musterdev/muster/drivers/mysql/mysqltest"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/mustertest"
)

func TestMain(m *testing.M) { os.Exit(mysqltest.Main(m)) }

const (
	tickets  = 24
	patience = 30 * time.Second
)

type ticket struct{ ID string }

var booked = bus.Topic[ticket]{Name: "tickets.booked"} //nolint:gochecknoglobals // a topic is a constant

// run is a service as any other: every third ticket is refused after its seat was taken.
func run(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	if err := errors.Join(idempotency.Migrate(ctx, db), app.Outbox()); err != nil {
		return err
	}
	set := func(state string) func(context.Context, tx.Tx, *ticket) error {
		return func(ctx context.Context, t tx.Tx, k *ticket) error {
			_, err := t.ExecContext(ctx, `UPDATE tickets SET state = $1 WHERE id = $2`, state, k.ID)
			return err
		}
	}
	sale := &saga.Saga[ticket]{
		Name: "sale", Version: 1,
		Steps: []saga.Step[ticket]{
			saga.Local[ticket]{Name: "seat", Do: set("seated"), Undo: set("free")},
			saga.Remote[ticket]{Name: "charge", NoUndo: true, Do: func(_ context.Context, k *ticket) error {
				if strings.HasSuffix(k.ID, "3") {
					return saga.Reject("no money")
				}
				return nil
			}},
			saga.Local[ticket]{Name: "book", Do: func(ctx context.Context, t tx.Tx, k *ticket) error {
				return outbox.Append(ctx, t, booked, k.ID, *k)
			}},
		},
	}
	if _, err := app.Sagas(sale); err != nil {
		return err
	}
	app.On(booked.Name, inbox.Once(db, booked, func(ctx context.Context, t tx.Tx, k ticket) error {
		_, err := t.ExecContext(ctx, `UPDATE tickets SET told = told + 1 WHERE id = $1`, k.ID)
		return err
	}))
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tickets/{id}", func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		answer, err := idempotency.Run(r.Context(), db, func(ctx context.Context, t tx.Tx) (string, error) {
			if _, err := t.ExecContext(ctx, `INSERT INTO tickets (id, state, told) VALUES ($1, 'asked', 0)`, id); err != nil {
				return "", err
			}
			return "sold " + id, sale.Start(ctx, t, id, ticket{id})
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = fmt.Fprint(w, answer) // else the client is gone
	})
	app.Handle("/", idempotency.Middleware(mux))
	return app.Serve(ctx)
}

// A service told DATABASE_URL=mysql://… has its tables, sells each ticket once though each is
// asked for twice, carries its sagas on, or back, and is told of what was sold, once.
func TestAServiceOnMariaDB(t *testing.T) {
	url := mysqltest.Start(t).Database(t)
	service := muster.Service{Name: "tickets", Run: run, Migrations: fstest.MapFS{"00001_tickets.sql": &fstest.MapFile{Data: []byte(
		"-- +goose Up\nCREATE TABLE tickets (id varchar(20) PRIMARY KEY, state varchar(20) NOT NULL, told bigint NOT NULL);\n-- +goose Down\nDROP TABLE tickets;\n")}}}
	f := mustertest.Config{
		Services: []muster.Service{service}, Database: func(string) string { return url }, Drivers: []muster.Driver{mysql.Driver, sqlite.Driver, nats.Driver},
	}.Start(t)
	f.Route("/tickets", "tickets")
	var all sync.WaitGroup
	for i := range 2 * tickets {
		all.Go(func() {
			if err := buy(t.Context(), f.Edge(), fmt.Sprint("t", i/2)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	db := f.DB("tickets")
	refused := 0
	for i := range tickets {
		if i%10 == 3 {
			refused++
		}
	}
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		left := count(t, db, `SELECT (SELECT count(*) FROM muster_saga WHERE state NOT IN ('completed', 'compensated')) + (SELECT count(*) FROM muster_outbox) + (SELECT count(*) FROM tickets WHERE told = 0 AND state <> 'free')`)
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sagas, events and tickets are still under way", left)
		}
		<-tick.C
	}
	for query, want := range map[string]int{
		`SELECT count(*) FROM tickets`:                                                  tickets,
		`SELECT count(*) FROM tickets WHERE state = 'free' AND told = 0`:                refused,
		`SELECT count(*) FROM tickets WHERE state = 'seated' AND told = 1`:              tickets - refused,
		`SELECT count(*) FROM muster_saga WHERE state = 'compensated' AND reason <> ''`: refused,
		`SELECT count(*) FROM muster_inbox`:                                             tickets - refused,
		`SELECT count(*) FROM muster_idempotency WHERE answer IS NOT NULL`:              tickets,
		`SELECT count(*) FROM muster_parked`:                                            0,
	} {
		if n := count(t, db, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
}

// buy asks until it is told: while the first of two is under way the other is refused, to come again.
func buy(ctx context.Context, edge, id string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, edge+"/tickets/"+id, http.NoBody)
		if err != nil {
			return err
		}
		req.Header.Set("Idempotency-Key", "key-"+id)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = res.Body.Close() // of a status nothing else is asked
		switch res.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusConflict, http.StatusServiceUnavailable:
			if ctx.Err() != nil {
				return ctx.Err()
			}
		default:
			return fmt.Errorf("%s: %s", id, res.Status)
		}
	}
}

func count(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
