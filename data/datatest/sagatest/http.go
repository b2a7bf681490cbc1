package sagatest

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

func runHTTP(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){"what operators ask": operators})
}

func operators(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	s := w.Trip(w.Local("a"), w.Local("b"))
	w.Say(func(c saga.Call, when string, _ tx.Tx) error {
		if c.ID == "stuck" && c.Step == "b" && c.Fence == 1 {
			return saga.Bug(errors.New("boom"))
		}
		return nil
	})
	e := w.Engine(w.DB, saga.Config{}, s)
	for _, id := range []string{"one", "two", "stuck"} {
		w.Start(s, id)
	}
	w.Await("one", saga.Completed)
	w.Await("two", saga.Completed)
	w.Await("stuck", saga.Paused)
	h := saga.Handler(e.Engine)
	ask := func(method, path, kind, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec
	}
	var all saga.Listing
	dbtest.Succeed(t, json.Unmarshal(ask("GET", "/.muster/sagas", "", "").Body.Bytes(), &all))
	dbtest.Want(t, "sagas", len(all.Sagas), 3)
	dbtest.Want(t, "counts", len(all.Counts), 2)
	dbtest.Want(t, "definitions", fmt.Sprint(all.Definitions), "[{trip 1 [a b]}]")
	for query, want := range map[string]int{"state=paused": 1, "state=completed&limit=1": 1, "name=trip": 3, "name=other": 0, "state=paused&name=trip": 1, "limit=2": 2} {
		var some saga.Listing
		dbtest.Succeed(t, json.Unmarshal(ask("GET", "/.muster/sagas?"+query, "", "").Body.Bytes(), &some))
		dbtest.Want(t, query, len(some.Sagas), want)
		dbtest.Want(t, query+" is a list", some.Sagas != nil, true)
	}
	const note = `{"by": "ann", "why": "it is mended"}`
	stuck := "/.muster/sagas/trip/stuck"
	for _, tc := range []struct {
		method, path, kind, body string
		status                   int
		says                     string
	}{
		{"GET", "/.muster/sagas?state=odd", "", "", 400, "odd"},
		{"GET", "/.muster/sagas?limit=0", "", "", 400, "limit"},
		{"GET", "/.muster/sagas?limit=5000", "", "", 400, "limit"},
		{"GET", "/.muster/sagas?limit=x", "", "", 400, "limit"},
		{"GET", "/.muster/sagas?page=2", "", "", 400, "page"},
		{"GET", "/.muster/sagas?limit=1&limit=2", "", "", 400, "2 times"},
		{"GET", "/.muster/sagas/trip/nobody", "", "", 404, "no such saga"},
		{"GET", "/.muster/sagas/trip", "", "", 404, "nothing at this path"},
		{"GET", "/other", "", "", 404, "nothing at this path"},
		{"DELETE", "/.muster/sagas", "", "", 405, "GET only"},
		{"POST", stuck, "", "", 405, "GET only"},
		{"GET", stuck + "/retry", "", "", 405, "POST only"},
		{"POST", stuck + "/explode", "application/json", note, 404, "explode"},
		{"POST", stuck + "/retry", "text/plain", note, 415, "application/json"},
		{"POST", stuck + "/retry", "", note, 415, "application/json"},
		{"POST", stuck + "/retry", "application/json", "", 400, "JSON object"},
		{"POST", stuck + "/retry", "application/json", `{"by": "ann", "because": "so"}`, 400, "because"},
		{"POST", stuck + "/retry", "application/json", note + note, 400, "more after"},
		{"POST", stuck + "/retry", "application/json", `{"by": "ann"}`, 400, "why"},
		{"POST", stuck + "/retry", "application/json", `{"by": "` + strings.Repeat("a", 9000) + `"}`, 413, "larger"},
		{"POST", "/.muster/sagas/trip/nobody/retry", "application/json", note, 404, "no such saga"},
		{"POST", "/.muster/sagas/trip/one/retry", "application/json", note, 412, "possible: nothing"},
		{"GET", "/.muster/sagas/-/stranded", "", "", 200, "[]"},
		{"POST", "/.muster/sagas/-/stranded", "application/json", "", 405, "GET only"},
		{"POST", "/.muster/sagas/-/retry", "application/json", `{"by": "ann", "why": "so", "name": "trip"}`, 400, "error"},
		{"POST", "/.muster/sagas/-/retry", "text/plain", `{}`, 415, "application/json"},
		{"POST", "/.muster/sagas/-/retry", "application/json", `{"by": "ann", "why": "so", "name": "trip", "error": "crash"}`, 200, `"retried":0`},
		{"POST", stuck + "/pause", "application/json", note, 412, "paused already"},
		{"POST", stuck + "/edit", "application/json", note, 409, "read it again"},
		{"POST", stuck + "/edit", "application/json", `{"by": "ann", "why": "so", "seq": "1"}`, 400, "seq"},
		{"GET", stuck, "", "", 200, `"boom"`},
		{"POST", stuck + "/retry", "application/json; charset=utf-8", note, 200, `"ann"`},
	} {
		rec := ask(tc.method, tc.path, tc.kind, tc.body)
		if rec.Code != tc.status || !strings.Contains(rec.Body.String(), tc.says) {
			t.Errorf("%s %s %s: %d %s, want %d and %q", tc.method, tc.path, tc.body, rec.Code, rec.Body, tc.status, tc.says)
		}
	}
	w.Await("stuck", saga.Completed)
	nobody := httptest.NewRecorder()
	saga.Handler(nil).ServeHTTP(nobody, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/.muster/sagas", nil))
	dbtest.Want(t, "without an engine", nobody.Code, 500)
}
