package projectiontest

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/tx"
)

func operators(t *testing.T, open func() *sql.DB) {
	db, b := migrated(t, open), memory.New()
	pay(t, b, "a", 1, 2)
	p := made(t, config(db, b.Connect()), book)
	run(t, p)
	reads(t, p, "_b1", 2)
	h := projection.Handler(p)
	ask := func(method, path, kind, body string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		h.ServeHTTP(rec, r)
		return rec
	}
	const plain, root = "application/json", "/.muster/projections"
	for _, tc := range []struct {
		method, path, kind, body string
		status                   int
		says                     string
	}{
		{"POST", root + "/books/accept", plain, `{"by":"ann","why":"so"}`, 412, "no build of books by the code 1 waits"},
		{"POST", root + "/books/rebuild", "text/plain", `{"by":"ann","why":"so"}`, 415, "send application/json"},
		{"POST", root + "/books/rebuild", plain, `{"by":"ann"}`, 400, "\\\"why\\\" is missing"},
		{"POST", root + "/books/rebuild", plain, `{"by":"ann","why":"so"} x`, 400, "more after the object"},
		{"POST", root + "/books/rebuild", plain, `{"by":"ann","why":"so","when":1}`, 400, "when"},
		{"POST", root + "/books/burn", plain, `{}`, 404, "rebuild and accept"},
		{"POST", root + "/films/rebuild", plain, `{}`, 404, "no projection"},
		{"GET", root + "/books", plain, "", 404, "there is no GET"},
		{"POST", root + "/books/rebuild", plain, `{"by":"ann","why":"so"}`, 200, `"name":"b1_2"`},
	} {
		rec := ask(tc.method, tc.path, tc.kind, tc.body)
		if rec.Code != tc.status || !strings.Contains(rec.Body.String(), tc.says) {
			t.Errorf("%s %s %s: %d %s", tc.method, tc.path, tc.body, rec.Code, rec.Body)
		}
	}
	reads(t, p, "_b1_2", 2)
	rec := ask(http.MethodGet, root, "", "")
	var l projection.Listing
	dbtest.Succeed(t, json.Unmarshal(rec.Body.Bytes(), &l))
	first := l.Projections["books"][0]
	dbtest.Want(t, "read, by, why", first.Name+" "+first.State+" "+first.By+" "+first.Why, "b1_2 live ann so")
	dbtest.Want(t, "is read", first.Read && !first.Swapped.IsZero(), true)
}

func unmigrated(t *testing.T, open func() *sql.DB) {
	p := made(t, config(open(), memory.New()), book)
	_, stats := p.Stats(t.Context())
	_, read := seen(t.Context(), p)
	for name, err := range map[string]error{
		"Run": p.Run(t.Context()), "Stats": stats, "Read": read,
		"WaitFor": p.WaitFor(t.Context(), projection.Token{Source: "/s", ID: "1"}),
		"Rebuild": p.Rebuild(t.Context(), projection.Note{By: "ann", Why: "so"}),
	} {
		if err == nil || strings.Count(err.Error(), "call projection.Migrate") != 1 && !strings.Contains(err.Error(), "call lease.Migrate") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func wrong(t *testing.T, open func() *sql.DB) {
	good := config(open(), memory.New())
	for want, change := range map[string]func(c *projection.Config){
		"the database is nil": func(c *projection.Config) { c.DB = nil },
		"no Broker":           func(c *projection.Config) { c.Broker = nil },
		`the name "Books"`:    func(c *projection.Config) { c.Name = "Books" },
		`the name "b-"`:       func(c *projection.Config) { c.Name = "b-" },
		"has the build 0":     func(c *projection.Config) { c.Build = 0 },
		"has no tables":       func(c *projection.Config) { c.Tables = nil },
		"make them in Schema": func(c *projection.Config) { c.Schema = nil },
		`the table "x; DROP`:  func(c *projection.Config) { c.Tables = []string{"x; DROP TABLE y"} },
		`the table "muster_x`: func(c *projection.Config) { c.Tables = []string{"muster_x"} },
	} {
		c := good
		change(&c)
		if _, err := projection.New(c); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "projection: ") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	nothing := func(context.Context, tx.Tx, projection.View, paid) error { return nil }
	p, err := projection.New(good)
	dbtest.Succeed(t, err)
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "call On") {
		t.Error(err)
	}
	if err := projection.On(p, payment, nothing); err == nil || !strings.Contains(err.Error(), "runs already") {
		t.Error(err)
	}
	p = made(t, good, book)
	if err := projection.On(p, payment, nothing); err == nil || !strings.Contains(err.Error(), "already") {
		t.Error(err)
	}
	if err := projection.Migrate(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "the database is nil") {
		t.Error(err)
	}
	for _, token := range []string{"", "x", " x", "/s ", "/s a b", "/s \n"} {
		if _, err := projection.ParseToken(token); err == nil {
			t.Errorf("%q is a token", token)
		}
	}
}
