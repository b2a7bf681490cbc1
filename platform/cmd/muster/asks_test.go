package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/musterdev/muster"
)

// asks is a service whose every answer is what another one answered it.
func asks(other string) func(context.Context, *muster.App) error {
	return func(ctx context.Context, app *muster.App) error {
		client := app.Client(other)
		app.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+other+"/x", http.NoBody)
			if err != nil {
				_, _ = fmt.Fprintln(w, err)
				return
			}
			res, err := client.Do(req)
			if err != nil {
				_, _ = fmt.Fprintln(w, err)
				return
			}
			_ = res.Body.Close()
			_, _ = fmt.Fprintf(w, "%s answered %d, RateLimit %s\n", other, res.StatusCode, res.Header.Get("RateLimit"))
		}))
		return app.Serve(ctx)
	}
}
