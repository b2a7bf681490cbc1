package datatest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/problem"
)

func runHTTP(t *testing.T, fresh Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"middleware":              httpMiddleware,
		"recorded answers":        httpRecorded,
		"answers not recorded":    httpNotRecorded,
		"in flight":               httpInFlight,
		"a large answer":          httpLarge,
		"a panic":                 httpPanic,
		"a client that went away": httpGone,
		"a lost claim":            httpLost,
		"many at once":            httpMany,
	})
}

type response struct {
	status int
	header http.Header
	body   string
}

// post sends a request with an Idempotency-Key.
func post(t *testing.T, h http.Handler, key, body string) response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/pay", strings.NewReader(body))
	if key != "" {
		r.Header.Set(idempotency.KeyHeader, key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	dbtest.Succeed(t, err)
	return response{res.StatusCode, res.Header, string(b)}
}

func httpMiddleware(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	h := idempotency.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := pay(r.Context(), db, nothing)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	first := post(t, h, "k", "1")
	dbtest.Want(t, "status", first.status, http.StatusCreated)
	dbtest.Want(t, "replayed", first.header.Get(idempotency.ReplayedHeader), "")
	again := post(t, h, `"k"`, "1") // the same key, quoted as the draft has it
	dbtest.Want(t, "status", again.status, first.status)
	dbtest.Want(t, "body", again.body, first.body)
	dbtest.Want(t, "replayed", again.header.Get(idempotency.ReplayedHeader), "true")
	dbtest.Want(t, "status for another body", post(t, h, "k", "2").status, http.StatusUnprocessableEntity)
	dbtest.Want(t, "status for a bad key", post(t, h, "a b", "1").status, http.StatusBadRequest)
	dbtest.Want(t, "effects", effects(t, db), 1)
	if a, b := post(t, h, "", "1"), post(t, h, "", "1"); a.body == b.body {
		t.Error("two requests without a key are one")
	}
}

func httpRecorded(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	for status, body := range map[int]string{200: "fine", 201: `{"id":1}`, 204: "", 303: "", 404: "gone", 422: "no"} {
		var runs int
		h := idempotency.Handler(db, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			runs++
			got, _ := io.ReadAll(r.Body)
			dbtest.Want(t, "body the handler got", string(got), body)
			if _, ok := idempotency.FromContext(r.Context()); ok {
				t.Error("the handler would wait for itself if it called Run")
			}
			w.Header().Set("Content-Type", "text/x")
			w.Header().Set("Location", "/there")
			w.Header().Set("Set-Cookie", "secret=1")
			w.WriteHeader(status)
			w.Header().Set("Etag", "too late")
			_, _ = io.WriteString(w, body)
		}))
		key := fmt.Sprint("k", status)
		first, again := post(t, h, key, body), post(t, h, key, body)
		for name, res := range map[string]response{"first": first, "replay": again} {
			dbtest.Want(t, name+" status", res.status, status)
			dbtest.Want(t, name+" body", res.body, body)
			dbtest.Want(t, name+" type", res.header.Get("Content-Type"), "text/x")
			dbtest.Want(t, name+" location", res.header.Get("Location"), "/there")
			dbtest.Want(t, name+" etag", res.header.Get("Etag"), "")
		}
		dbtest.Want(t, "cookie of the first", first.header.Get("Set-Cookie"), "secret=1")
		dbtest.Want(t, "cookie of the replay", again.header.Get("Set-Cookie"), "")
		dbtest.Want(t, "first is marked", first.header.Get(idempotency.ReplayedHeader), "")
		dbtest.Want(t, "replay is marked", again.header.Get(idempotency.ReplayedHeader), "true")
		dbtest.Want(t, "runs", runs, 1)
	}
}

func httpNotRecorded(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	for i, status := range []int{401, 403, 408, 409, 425, 429, 500, 503} {
		runs := 0
		h := idempotency.Handler(db, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if runs++; runs > 1 {
				return // 200
			}
			if status == http.StatusConflict {
				w.Header().Set("Retry-After", "1")
			}
			w.WriteHeader(status)
		}))
		key := fmt.Sprint("k", i)
		dbtest.Want(t, "first status", post(t, h, key, "").status, status)
		dbtest.Want(t, "second status", post(t, h, key, "").status, 200)
		dbtest.Want(t, "third status", post(t, h, key, "").status, 200)
		dbtest.Want(t, "runs", runs, 2)
	}
	h := idempotency.Handler(db, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	dbtest.Want(t, "status for a bad key", post(t, h, "a b", "").status, http.StatusBadRequest)
	dbtest.Want(t, "status without a key", post(t, h, "", "").status, http.StatusTeapot)
}

func httpInFlight(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	var h http.Handler
	var inner response
	runs := 0
	h = idempotency.Handler(db, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if runs++; runs == 1 {
			inner = post(t, h, "k", "") // a repetition while the first is running
		}
	}))
	dbtest.Want(t, "status", post(t, h, "k", "").status, http.StatusOK)
	dbtest.Want(t, "runs", runs, 1)
	dbtest.Want(t, "status of the repetition", inner.status, http.StatusConflict)
	dbtest.Want(t, "retry after", inner.header.Get("Retry-After"), "1")
	dbtest.Want(t, "type", inner.header.Get("Content-Type"), problem.ContentType)
	dbtest.Want(t, "status for another body", post(t, h, "k", "other").status, http.StatusUnprocessableEntity)
}

func httpLarge(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	for size, replay := range map[int]int{idempotency.MaxAnswer: 201, idempotency.MaxAnswer + 1: 409} {
		runs := 0
		h := idempotency.Handler(db, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			runs++
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write(make([]byte, size))
		}))
		key := fmt.Sprint("k", size)
		first, again := post(t, h, key, ""), post(t, h, key, "")
		dbtest.Want(t, "status", first.status, 201)
		dbtest.Want(t, "size", len(first.body), size)
		dbtest.Want(t, "status of the replay", again.status, replay)
		dbtest.Want(t, "replay is marked", again.header.Get(idempotency.ReplayedHeader), "true")
		dbtest.Want(t, "runs", runs, 1)
	}
}

func httpPanic(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	runs := 0
	h := idempotency.Handler(db, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if runs++; runs == 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	func() {
		defer func() { dbtest.Want(t, "panic", recover(), any(http.ErrAbortHandler)) }()
		post(t, h, "k", "")
	}()
	dbtest.Want(t, "status", post(t, h, "k", "").status, http.StatusOK)
	dbtest.Want(t, "runs", runs, 2)
}

// The answer is put on record although nobody is there to get it.
func httpGone(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	var runs atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	h := idempotency.Handler(db, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		runs.Add(1)
		cancel()
		w.WriteHeader(http.StatusAccepted)
	}))
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/pay", nil)
	r.Header.Set(idempotency.KeyHeader, "k")
	h.ServeHTTP(httptest.NewRecorder(), r)
	dbtest.Want(t, "status of the replay", post(t, h, "k", "").status, http.StatusAccepted)
	dbtest.Want(t, "runs", runs.Load(), 1)
}

func httpLost(t *testing.T, open func() *sql.DB) {
	db := open()
	ledger(t, db)
	h := idempotency.Handler(db, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dbtest.Execute(t, db, "UPDATE muster_idempotency SET fence = fence + 1") // another attempt takes over
		w.WriteHeader(http.StatusCreated)
	}))
	res := post(t, h, "k", "")
	dbtest.Want(t, "status", res.status, http.StatusBadGateway)
	if !strings.Contains(res.body, "ask again with the same key") {
		t.Error(res.body)
	}
}
