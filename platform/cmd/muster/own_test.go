package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/problem"
)

// page answers GET /page with what stock says, and GET /alone by itself.
func page(ctx context.Context, app *muster.App) error {
	client := app.Client("stock")
	app.Handle("GET /page", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://stock/item", http.NoBody)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		res, err := client.Do(req)
		if err == nil {
			err = problem.FromResponse(res)
		}
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		defer func() { _ = res.Body.Close() }() // copied to its end
		_, _ = io.Copy(w, res.Body)
	}))
	app.Handle("GET /alone", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "alone") }))
	return app.Serve(ctx)
}

// stock works a little for each GET /item, and takes POST /item.
func stock(ctx context.Context, app *muster.App) error {
	block := make([]byte, 256<<10)
	app.Handle("GET /item", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintf(w, "%x", sha256.Sum256(block)) }))
	app.Handle("POST /item", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	return app.Serve(ctx)
}
