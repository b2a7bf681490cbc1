package models_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/ops/models"
)

// search is a service with a read model that nobody feeds.
func search(t *testing.T, names ...string) string {
	t.Helper()
	var all []*projection.Projection
	for _, name := range names {
		db, err := sqlite.Driver.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "search.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() }) // the test is over
		if err := projection.Migrate(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		p, err := projection.New(projection.Config{
			DB: db, Broker: memory.New().Connect(), Name: name, Build: 1, Tables: []string{"things"},
			Schema: func(ctx context.Context, t tx.Tx, v projection.View) error {
				_, err := t.ExecContext(ctx, `CREATE TABLE `+v.Name("things")+` (id INTEGER PRIMARY KEY)`)
				return err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := projection.On(p, bus.Topic[int]{Name: "things.made"}, func(context.Context, tx.Tx, projection.View, int) error { return nil }); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return serve(t, projection.Handler(all...))
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func fleet(t *testing.T) *ops.Fleet {
	t.Helper()
	foreign := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"hello":"world"}`))
	})
	return &ops.Fleet{Services: []ops.Service{
		{Name: "cart", URLs: []string{serve(t, foreign)}},
		{Name: "legacy", URLs: []string{serve(t, http.NotFoundHandler())}},
		{Name: "pages", URLs: []string{search(t, "pages", "search")}},
		{Name: "search", URLs: []string{search(t, "search")}},
	}}
}

func TestReadModelsOfAFleet(t *testing.T) {
	f := fleet(t)
	list, err := models.Of(t.Context(), f)
	var which []string
	for _, p := range list {
		which = append(which, p.Service+"/"+p.Name)
	}
	if got := strings.Join(which, " "); err != nil || got != "pages/pages pages/search search/search" {
		t.Fatalf("%s, %v", got, err)
	}
	note := projection.Note{By: "ann", Why: "prices were rounded"}
	p, err := models.Order(t.Context(), f, "", "pages", "rebuild", note)
	if err != nil || p.Service != "pages" || len(p.Builds) != 1 || p.Builds[0].By != "ann" || p.Builds[0].State != "building" {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, err = models.Order(t.Context(), f, "search", "search", "rebuild", note); err != nil || p.Service != "search" {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, err = models.Order(t.Context(), f, "", "pages", "accept", note); err != nil || !p.Builds[0].Accepted {
		t.Fatalf("%+v, %v", p, err)
	}
	list, err = models.Of(t.Context(), f)
	var table bytes.Buffer
	if err != nil || models.Write(&table, list) != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`(?m)^pages +pages +b1 +building +- +- +0 +\d+s ago +ann: prices were rounded$`, `(?m)^search +search +b1 +building`} {
		if !regexp.MustCompile(want).MatchString(table.String()) {
			t.Errorf("the table does not say %q:\n%s", want, &table)
		}
	}
}

func TestWhatCannotBeOrderedIsSaid(t *testing.T) {
	f := fleet(t)
	note := projection.Note{By: "ann", Why: "it is wrong"}
	for name, tc := range map[string]struct {
		service, projection, order string
		note                       projection.Note
		want                       string
	}{
		"near":      {"", "serch", "rebuild", note, "no service has a projection serch: did you mean search?"},
		"far":       {"", "orders", "rebuild", note, "no service has a projection orders: there are pages, search"},
		"elsewhere": {"cart", "search", "rebuild", note, "no service has a projection search"},
		"two":       {"", "search", "rebuild", note, "2 services have a projection search: choose with --service"},
		"no reason": {"", "pages", "rebuild", projection.Note{By: "ann"}, "say who interferes with the read model, and why"},
		"nothing":   {"", "pages", "accept", note, "no build of pages by the code 1 waits to be read"},
	} {
		if _, err := models.Order(t.Context(), f, tc.service, tc.projection, tc.order, tc.note); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	f.Services = append(f.Services, ops.Service{Name: "stopped", Stopped: true})
	if _, err := models.Of(t.Context(), f); err == nil || !strings.Contains(err.Error(), "stopped: it has no instance to ask") {
		t.Errorf("a service that could not be asked: %v", err)
	}
}
