package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/rest"
	"github.com/musterdev/muster/rest/operation"
	"github.com/musterdev/muster/rest/operation/sagas"
)

type report struct {
	Title string `json:"title"`
}

// A request is answered at once and carried out by a saga, whose row is its status; the same
// request twice is one operation, and one that is canceled takes back what it did.
func TestOperationsAreSagas(t *testing.T) {
	db := reopen(t, filepath.Join(t.TempDir(), "operations.db"))
	for _, migrate := range []func(context.Context, *sql.DB) error{saga.Migrate, idempotency.Migrate} {
		if err := migrate(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
	var ops *operation.Operations
	asked, undone := make(chan string, 10), make(chan string, 10)
	write := &saga.Saga[report]{
		Name: "report", Version: 1,
		Steps: []saga.Step[report]{
			saga.Remote[report]{
				Name: "ask",
				Do: func(ctx context.Context, r *report) error {
					c, _ := saga.StepOf(ctx)
					asked <- c.ID
					if r.Title == "bad" {
						return saga.Reject("nobody knows of that")
					}
					return saga.Wait
				},
				Undo: func(ctx context.Context, _ *report) error {
					c, _ := saga.StepOf(ctx)
					undone <- c.ID
					return nil
				},
			},
			saga.Local[report]{Name: "write", Do: func(context.Context, tx.Tx, *report) error { return nil }},
		},
		Ended: func(string, saga.State) { ops.Wake() },
	}
	engine, err := saga.New(db, saga.Config{}, write)
	if err != nil {
		t.Fatal(err)
	}
	ops, err = operation.New(operation.Config{Path: "/v1/operations", Source: sagas.Source{
		Engine: engine, Name: "report", Steps: 2, Result: func(d saga.Detail) string { return "/v1/reports/" + d.ID },
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- engine.Run(ctx) }()
	defer func() { stop(); <-ended }()

	api := rest.New(rest.Info{Title: "Reports"})
	ops.Register(api)
	rest.Post(api, "/v1/reports", func(ctx context.Context, in struct {
		Key   string `header:"Idempotency-Key"`
		ID    string `json:"id"`
		Title string `json:"title"`
	},
	) (operation.Accepted, error) {
		id, err := idempotency.Run(ctx, db, func(ctx context.Context, t tx.Tx) (string, error) {
			return in.ID, write.Start(ctx, t, in.ID, report{in.Title})
		})
		return ops.Accepted(id), err
	}, rest.Through(idempotency.Middleware), rest.Status(http.StatusAccepted))
	if err := api.Err(); err != nil {
		t.Fatal(err)
	}
	do := func(method, path, body string, status int, header ...string) (w *httptest.ResponseRecorder, s operation.Status) {
		t.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w = httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code != status {
			t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		_ = json.Unmarshal(w.Body.Bytes(), &s) // as far as it is one
		return w, s
	}

	first, _ := do(http.MethodPost, "/v1/reports", `{"id":"r-1","title":"good"}`, 202, "Idempotency-Key", "k-1")
	again, _ := do(http.MethodPost, "/v1/reports", `{"id":"r-1","title":"good"}`, 202, "Idempotency-Key", "k-1")
	if at := first.Header().Get("Location"); at != "/v1/operations/r-1" || again.Header().Get("Location") != at || first.Body.String() != again.Body.String() {
		t.Errorf("%v %s, again %v %s", first.Header(), first.Body, again.Header(), again.Body)
	}
	<-asked
	if _, s := do(http.MethodGet, "/v1/operations/r-1", "", 200); s.State != operation.Running {
		t.Errorf("%+v", s)
	}
	answered := func(id string) {
		t.Helper()
		for { // until the step has said that it waits
			err := tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
				return write.Answer(ctx, tx, id, "ask", nil, nil)
			})
			if err == nil {
				return
			}
			if !errors.Is(err, saga.ErrBusy) {
				t.Fatal(err)
			}
		}
	}
	answered("r-1")
	if _, s := do(http.MethodGet, "/v1/operations/r-1", "", 200, "Prefer", "wait=20"); s.State != operation.Succeeded || s.Result != "/v1/reports/r-1" || s.Expires.IsZero() {
		t.Errorf("%+v", s)
	}
	do(http.MethodPost, "/v1/operations/r-1/cancel", "", 412)

	do(http.MethodPost, "/v1/reports", `{"id":"r-2","title":"bad"}`, 202)
	if _, s := do(http.MethodGet, "/v1/operations/r-2", "", 200, "Prefer", "wait=20"); s.State != operation.Failed || s.Error == nil || s.Error.Detail != "nobody knows of that" {
		t.Errorf("%+v", s)
	}

	do(http.MethodPost, "/v1/reports", `{"id":"r-3","title":"good"}`, 202)
	<-asked
	<-asked
	do(http.MethodPost, "/v1/operations/r-3/cancel", "", 202)
	do(http.MethodPost, "/v1/operations/r-3/cancel", "", 202) // may be repeated
	if _, s := do(http.MethodGet, "/v1/operations/r-3", "", 200, "Prefer", "wait=20"); s.State != operation.Canceled || s.Error != nil {
		t.Errorf("%+v", s)
	}
	if id := <-undone; id != "r-3" {
		t.Errorf("%s was taken back", id)
	}
	do(http.MethodGet, "/v1/operations/none", "", 404)
}
