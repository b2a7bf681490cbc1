package outboxtest

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/outbox"
)

// Two messages are refused, each holds one more, and nobody publishes meanwhile.
func (w way) operators(t *testing.T, open func() *sql.DB) {
	db := w.migrated(t, open)
	h := outbox.Handler(db)
	ask := func(method, path string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("")))
		return rec
	}
	list := func(query string) (l outbox.Listing) {
		t.Helper()
		rec := ask("GET", "/.muster/outbox"+query)
		dbtest.Succeed(t, json.Unmarshal(rec.Body.Bytes(), &l))
		dbtest.Want(t, "content type", rec.Header().Get("Content-Type"), "application/json")
		dbtest.Want(t, "refused is a list", l.Refused != nil, true)
		return l
	}
	l := list("")
	dbtest.Want(t, "empty", fmt.Sprint(l.Waiting, l.Oldest, len(l.Refused), l.More), "0 0 0 false")

	appendAll(t, db, "a", 1, 2)
	appendAll(t, db, "b", 1, 2)
	dbtest.Execute(t, db, `UPDATE muster_outbox SET error = 'too_large: so many bytes', created = created - 90000 WHERE id IN (SELECT min(id) FROM muster_outbox GROUP BY "key")`)
	l = list("")
	dbtest.Want(t, "some", fmt.Sprint(l.Waiting, len(l.Refused), l.More), "4 2 false")
	dbtest.Want(t, "the oldest in seconds", l.Oldest >= 90 && l.Oldest < 900, true)
	dbtest.Want(t, "cut short", fmt.Sprint(len(list("?most=1").Refused), list("?most=1").More), "1 true")
	dbtest.Want(t, "not cut short", fmt.Sprint(len(list("?most=2").Refused), list("?most=2").More), "2 false")
	first := l.Refused[0]
	dbtest.Want(t, "which", fmt.Sprint(first.Topic, " ", first.Key, " ", first.Error), "test.happened a too_large: so many bytes")

	waits := dbtest.Value[string](t, db, "SELECT CAST(max(id) AS TEXT) FROM muster_outbox WHERE error IS NULL")
	for _, tc := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/.muster/outbox?most=0", 400, "from 1 to 1000"},
		{"GET", "/.muster/outbox?most=1001", 400, "from 1 to 1000"},
		{"GET", "/.muster/outbox?most=x", 400, "from 1 to 1000"},
		{"GET", "/.muster/outbox?most=1&most=2", 400, "more than once"},
		{"GET", "/.muster/outbox?key=a", 400, "known is most"},
		{"GET", "/.muster/outbox/" + first.ID, 404, "there is no GET"},
		{"DELETE", "/.muster/outbox", 404, "there is no DELETE"},
		{"GET", "/.muster/outbox/" + first.ID + "/retry", 404, "there is no GET"},
		{"POST", "/.muster/outbox/" + first.ID + "/explode", 404, "there is no POST"},
		{"POST", "/.muster/outbox/999999/retry", 404, "no message"},
		{"POST", "/.muster/outbox/x/discard", 404, "no message"},
		{"POST", "/.muster/outbox/" + waits + "/retry", 412, "was not refused"},
		{"POST", "/.muster/outbox/" + waits + "/discard", 412, "was not refused"},
		{"POST", "/.muster/outbox/" + first.ID + "/retry", 200, `{"retried":1}`},
		{"POST", "/.muster/outbox/" + l.Refused[1].ID + "/discard", 200, `{"discarded":1}`},
		{"POST", "/.muster/outbox/" + l.Refused[1].ID + "/discard", 404, "no message"},
	} {
		rec := ask(tc.method, tc.path)
		kind := "application/problem+json"
		if tc.status == 200 {
			kind = "application/json"
		}
		if rec.Code != tc.status || !strings.Contains(rec.Body.String(), tc.says) || rec.Header().Get("Content-Type") != kind {
			t.Errorf("%s %s: %d %s %s, want %d and %q", tc.method, tc.path, rec.Code, rec.Header(), rec.Body, tc.status, tc.says)
		}
	}
	dbtest.Want(t, "none is refused", len(list("").Refused), 0)
	b := newBroker()
	w.relayed(t, db, b)
	w.drained(t, db)
	dbtest.Want(t, "published in the end", fmt.Sprint(b.events(t)), "map[a:[1 2] b:[2]]")
}

// Where the table is missing the answer says so, as a problem.
func (w way) operatorsUnmigrated(t *testing.T, open func() *sql.DB) {
	rec := httptest.NewRecorder()
	outbox.Handler(open()).ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/.muster/outbox", nil))
	if kind := rec.Header().Get("Content-Type"); rec.Code != 500 || kind != "application/problem+json" {
		t.Errorf("%d %s %s", rec.Code, kind, rec.Body)
	}
}
