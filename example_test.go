package muster_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/musterdev/muster"
)

// A team may start as one process: each service stays a service, calls between
// them stay calls, and the day they are split only main changes.
func ExampleRun() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	stock := muster.Service{Name: "stock", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("GET /v1/stock/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "7 of %s", r.PathValue("id"))
		}))
		return app.Serve(ctx)
	}}
	orders := muster.Service{Name: "orders", Run: func(ctx context.Context, app *muster.App) error {
		app.Go("ask", func(ctx context.Context) error {
			defer stop()
			res, err := app.Client("stock").Get("http://stock/v1/stock/mug")
			if err != nil {
				return err
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			fmt.Println(string(body))
			return err
		})
		return app.Serve(ctx)
	}}

	err := muster.Run(ctx, []muster.Service{stock, orders}, muster.LogTo(io.Discard))
	fmt.Println(err)
	// Output:
	// 7 of mug
	// <nil>
}

// A service's main is one line; the service itself is a value.
func ExampleMain() { //nolint:testableexamples // it ends the process
	service := muster.Service{Name: "hello", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
		}))
		return app.Serve(ctx)
	}}
	muster.Main(service) // serves until SIGTERM
}
