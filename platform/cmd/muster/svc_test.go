package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

// made is what the scripts' maker publishes.
var made = bus.Topic[string]{Name: "web.made"} //nolint:gochecknoglobals // a value

// mended reports whether the script has made a file of that name.
func mended() bool {
	_, err := os.Stat("mended")
	return err == nil
}

// built is which build of the maker this is: its saga's version is 1, or what MAKER says;
// "unsound" is one that cannot be compensated.
func built() (number int, undo func(context.Context, tx.Tx, *string) error) {
	undo = func(context.Context, tx.Tx, *string) error { return nil }
	switch os.Getenv("MAKER") {
	case "2":
		return 2, undo
	case "unsound":
		return 1, nil
	}
	return 1, undo
}

// maker starts a saga and publishes an event for each POST /make/{id}. The saga pauses
// until the script has mended it.
func maker(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	number, undo := built()
	checkout := &saga.Saga[string]{Name: "checkout", Version: number, Steps: []saga.Step[string]{
		saga.Local[string]{
			Name: "reserve",
			Do: func(context.Context, tx.Tx, *string) error {
				if !mended() {
					return saga.Bug(errors.New("the shelf is broken"))
				}
				return nil
			},
			Undo: undo,
		},
		saga.Local[string]{Name: "sell", Do: func(context.Context, tx.Tx, *string) error { return nil }},
	}}
	if _, err := app.Sagas(checkout); err != nil {
		return err
	}
	if err := app.Outbox(); err != nil {
		return err
	}
	app.Handle("POST /make/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		err := tx.Do(r.Context(), db, func(ctx context.Context, t *sql.Tx) error {
			if err := checkout.Start(ctx, t, id, "data of "+id); err != nil {
				return err
			}
			return outbox.Append(ctx, t, made, id, "event of "+id)
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	// the event that POST /spoil/{id} leaves no broker would take
	app.Handle("POST /spoil/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := db.ExecContext(r.Context(), `INSERT INTO muster_outbox (topic, key, attributes, data) VALUES ($1, $2, 'spoilt', '')`, made.Name, r.PathValue("id")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	return app.Serve(ctx)
}

// taker knows nothing of Muster: it is posted events, refuses them until the script has
// mended it, and prints what it took.
func taker() error {
	http.HandleFunc("POST /events", func(w http.ResponseWriter, r *http.Request) {
		if !mended() {
			http.Error(w, "what is that?", http.StatusBadRequest)
			return
		}
		body, _ := io.ReadAll(r.Body) // what is missing shows
		fmt.Printf("took %s %s %s\n", r.Header.Get("Ce-Type"), r.Header.Get("Ce-Partitionkey"), body)
	})
	return http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil)
}

// post sends an empty POST.
func post(url string) error {
	res, err := http.Post(url, "text/plain", http.NoBody)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", res.Status, body)
	}
	return nil
}
