package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/http"
	"strings"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// sale is the data of a saga of two steps.
type sale struct{ Refused bool }

// till sells by a saga: the shelf is asked for one piece, and the sale is written down.
func till(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS sale (id TEXT NOT NULL)`); err != nil {
		return err
	}
	shelf := app.Client("shelf")
	ask := func(path string) func(context.Context, *sale) error {
		return func(ctx context.Context, _ *sale) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://shelf"+path, http.NoBody)
			if err != nil {
				return err
			}
			res, err := shelf.Do(req)
			if err != nil {
				return err
			}
			_ = res.Body.Close()
			return problem.FromResponse(res)
		}
	}
	sell := &saga.Saga[sale]{Name: "sell", Version: 1, Steps: []saga.Step[sale]{
		saga.Remote[sale]{Name: "take", Do: ask("/take"), Undo: ask("/putback")},
		saga.Local[sale]{Name: "write", Do: func(ctx context.Context, t tx.Tx, s *sale) error {
			if s.Refused {
				return saga.Reject("the till is closed")
			}
			step, _ := saga.StepOf(ctx)
			_, err := t.ExecContext(ctx, `INSERT INTO sale VALUES ($1)`, step.ID)
			return err
		}},
	}}
	if _, err := app.Sagas(sell); err != nil {
		return err
	}
	begin := func(r *http.Request, times int) error {
		return tx.Do(r.Context(), db, func(ctx context.Context, t *sql.Tx) error {
			for range times {
				if err := sell.Start(ctx, t, strings.ToLower(rand.Text()), sale{Refused: r.URL.Query().Has("refused")}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for path, times := range map[string]int{"/sale": 1, "/sales": 2, "/look": 0} {
		app.Handle("POST "+path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := begin(r, times); err != nil {
				problem.Write(w, r, err)
				return
			}
			w.WriteHeader(http.StatusAccepted)
		}))
	}
	return app.Serve(ctx)
}

// shelf gives a piece away and takes it back, once for each key; a careless one each time
// that it is asked. GET /check is answered well when no key has more than one of its pieces.
func shelf(careless bool) func(ctx context.Context, app *muster.App) error {
	return func(ctx context.Context, app *muster.App) error {
		db, err := app.DB()
		if err != nil {
			return err
		}
		if err := inbox.Migrate(ctx, db); err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS piece (sale TEXT NOT NULL, n BIGINT NOT NULL)`); err != nil {
			return err
		}
		once := inbox.Barrier{Name: "shelf"}
		handle := func(path string, n int, known func(context.Context, tx.Tx, string) (bool, error)) {
			app.Handle("POST "+path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				key := r.Header.Get("Idempotency-Key") // sell/ID/take/do
				err := tx.Do(r.Context(), db, func(ctx context.Context, t *sql.Tx) error {
					if run, err := known(ctx, t, key); err != nil || !run && !careless {
						return err
					}
					sale, _, _ := strings.Cut(strings.TrimPrefix(key, "sell/"), "/")
					_, err := t.ExecContext(ctx, `INSERT INTO piece VALUES ($1, $2)`, sale, n)
					return err
				})
				if err != nil {
					problem.Write(w, r, err)
				}
			}))
		}
		handle("/take", 1, once.Do)
		handle("/putback", -1, once.Undo)
		app.Handle("GET /check", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var id string
			var n int
			err := db.QueryRowContext(r.Context(), `SELECT sale, sum(n) FROM piece GROUP BY sale HAVING sum(n) > 1 OR sum(n) < 0 ORDER BY sale LIMIT 1`).Scan(&id, &n)
			if err == nil {
				err = problem.New(problem.Conflict, "sale %s has %d pieces", id, n)
			}
			if err != sql.ErrNoRows { //nolint:errorlint // Scan returns it as it is
				problem.Write(w, r, err)
			}
		}))
		return app.Serve(ctx)
	}
}

// balance is the check of a team that looks into its tables: it is told where they are.
func balance(lookup func(string) string) error {
	sold, err := number(lookup("TILL_DATABASE_URL"), `SELECT count(*) FROM sale`)
	if err != nil {
		return err
	}
	taken, err := number(lookup("SHELF_DATABASE_URL"), `SELECT coalesce(sum(n), 0) FROM piece`)
	if err != nil {
		return err
	}
	if sold != taken {
		return fmt.Errorf("%d sold, %d taken from the shelf", sold, taken)
	}
	return nil
}

func number(url, query string) (n int, err error) {
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }() // it was only read
	return n, db.QueryRow(query).Scan(&n)
}
