package followed_test

import (
	"bytes"
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/cdc"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/ops/followed"
	"github.com/musterdev/muster/problem"
)

// follows is a service that follows things, or has nothing to do with it.
func follows(t *testing.T, name string, followers ...string) (ops.Service, *sql.DB) {
	t.Helper()
	db, err := sqlite.Driver.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	dbtest.Succeed(t, err)
	t.Cleanup(func() { _ = db.Close() }) // a test that ends leaves nothing to lose
	dbtest.Succeed(t, cdc.Migrate(t.Context(), db))
	mux := http.NewServeMux()
	if followers != nil {
		mux.Handle("/.muster/cdc", cdc.HTTPHandler(db))
		mux.Handle("/.muster/cdc/", cdc.HTTPHandler(db))
	}
	for _, f := range followers {
		dbtest.Execute(t, db, `INSERT INTO muster_cdc (name, state, position, shapes, lost) VALUES ($1, 'lost', '0/16B3748 tables=1a', '{}', 'the slot is missing')`, f)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return ops.Service{Name: name, URLs: []string{server.URL}}, db
}

// A loss is shown, and a person has all copied anew.
func TestRecopy(t *testing.T) {
	a, db := follows(t, "a", "customers", "items")
	b, _ := follows(t, "b", "items")
	c, _ := follows(t, "c")
	f := &ops.Fleet{Services: []ops.Service{a, b, c}}
	list, err := followed.Of(t.Context(), f)
	dbtest.Succeed(t, err)
	var text bytes.Buffer
	dbtest.Succeed(t, followed.Write(&text, list))
	dbtest.Want(t, "the list", strings.Join(strings.Fields(text.String()), " "), "SERVICE NAME STATE POSITION LOST "+
		"a customers lost 0/16B3748 the slot is missing a items lost 0/16B3748 the slot is missing b items lost 0/16B3748 the slot is missing")
	ann := cdc.Note{By: "ann", Why: "the slot was dropped"}
	for want, ask := range map[string]struct {
		service, name string
		note          cdc.Note
		code          problem.Code
	}{
		"choose with --service":  {"", "items", ann, problem.InvalidArgument},
		"did you mean customers": {"", "customer", ann, problem.NotFound},
		"there are customers":    {"", "zzzzzzzz", ann, problem.NotFound},
		"say who":                {"", "customers", cdc.Note{By: " "}, problem.InvalidArgument},
	} {
		if _, err := followed.Recopy(t.Context(), f, ask.service, ask.name, ask.note); problem.CodeOf(err) != ask.code || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	_, err = followed.Recopy(t.Context(), f, "a", "items", ann)
	dbtest.Succeed(t, err)
	dbtest.Want(t, "ordered", dbtest.Value[string](t, db, `SELECT state || ' ' || by_whom || ': ' || why || lost FROM muster_cdc WHERE name = 'items'`), "copying ann: the slot was dropped")
}

// What is no order is refused.
func TestWhatIsNoOrder(t *testing.T) {
	a, _ := follows(t, "a", "items")
	for _, c := range []struct {
		kind, body string
		status     int
	}{
		{"text/plain", `{"by":"ann","why":"x"}`, 415},
		{"application/json", `{"by":"ann","who":"x"}`, 400},
		{"application/json", ``, 400},
		{"application/json", `{"by":"ann","why":"x"}`, 200},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), dbtest.Patience)
		req, err := http.NewRequestWithContext(ctx, "POST", a.URLs[0]+"/.muster/cdc/items/recopy", strings.NewReader(c.body))
		dbtest.Succeed(t, err)
		req.Header.Set("Content-Type", c.kind)
		res, err := http.DefaultClient.Do(req)
		dbtest.Succeed(t, err)
		dbtest.Succeed(t, res.Body.Close())
		cancel()
		dbtest.Want(t, c.kind+" "+c.body, res.StatusCode, c.status)
	}
}
