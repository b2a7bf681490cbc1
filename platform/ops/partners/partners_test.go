package partners_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/ops/partners"
	"github.com/musterdev/muster/webhook"
	"github.com/musterdev/muster/webhook/web"
)

// sender is a service with an endpoint for which two events wait, and nothing that sends them.
func sender(t *testing.T, name string) (aSender, string) {
	t.Helper()
	db, err := sqlite.Driver.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the test is over
	if err := webhook.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	hooks, err := webhook.New(db, webhook.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := hooks.Create(t.Context(), webhook.Endpoint{URL: "https://partner.example/" + name, Topics: []string{"orders.*"}})
	if err != nil {
		t.Fatal(err)
	}
	err = tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
		for _, id := range []string{"e-1", "e-2"} {
			if _, err := hooks.Append(ctx, tx, "", bus.Msg{ID: id, Source: "/orders", Topic: "orders.confirmed"}); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `UPDATE muster_webhook_delivery SET state = 'dead', status = 500, error = 'it answered Internal Server Error', attempts = 20 WHERE id = 1`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return aSender{serve(t, name, web.Handler(hooks)), hooks, db}, e.ID
}

type aSender struct {
	ops.Service

	hooks *webhook.Webhooks
	db    *sql.DB
}

// other makes n endpoints more, and returns the last and the delivery of an event to it.
func (s aSender) other(t *testing.T, n int) (id, delivery string) {
	t.Helper()
	err := tx.Do(t.Context(), s.db, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			INSERT INTO muster_webhook_endpoint (id, url, tenant, description, topics, secret, created) SELECT 'ep-' || $1 || '-' || i, 'https://x.example/', '', '', '["other.*"]', '', 32503680000000 + i FROM n`, n)
		if err != nil {
			return err
		}
		id = fmt.Sprintf("ep-%d-%d", n, n)
		return tx.QueryRowContext(ctx, `INSERT INTO muster_webhook_delivery (endpoint, event, state) VALUES ($1, 1, 'dead') RETURNING CAST(id AS text)`, id).Scan(&delivery)
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, delivery
}

func serve(t *testing.T, name string, h http.Handler) ops.Service {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return ops.Service{Name: name, URLs: []string{s.URL}}
}

func TestEndpointsOfAFleet(t *testing.T) {
	orders, id := sender(t, "orders")
	payments, _ := sender(t, "payments")
	f := &ops.Fleet{Services: []ops.Service{serve(t, "cart", http.NotFoundHandler()), orders.Service, payments.Service}}
	ctx, note := t.Context(), webhook.Note{By: "ann", Why: "a test"}
	list, err := partners.Of(ctx, f)
	if err != nil || len(list) != 2 || list[0].ID != id || list[0].Service != "orders" || list[0].Dead != 1 || list[0].Waiting != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	d, err := partners.Show(ctx, f, id, webhook.Dead, 20)
	if err != nil || len(d.Deliveries) != 1 || d.Deliveries[0].Status != 500 {
		t.Fatalf("%+v, %v", d, err)
	}
	e, err := partners.Switch(ctx, f, id, false, web.Switch{Note: note})
	if err != nil || e.Disabled != "by ann: a test" {
		t.Fatalf("%+v, %v", e, err)
	}
	var table bytes.Buffer
	if err := partners.WriteDetail(&table, d); err != nil {
		t.Fatal(err)
	}
	if err := partners.Write(&table, []partners.Endpoint{e}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"orders   " + id + "  good   1        1     -        https://partner.example/orders  orders.*",
		"orders.confirmed  dead   20        500     0 ms", "it answered Internal Server Error",
		id + "  disabled  1 ", "by ann: a test",
	} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("no %q in\n%s", want, &table)
		}
	}
	if n, err := partners.Replay(ctx, f, web.Range{Note: note, Filter: webhook.Filter{Endpoint: id}}); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if err := partners.ReplayOne(ctx, f, id, "2", note); err != nil {
		t.Error(err)
	}
	_, other := orders.other(t, 1)
	for _, d := range []string{other, "99", "0", "-1", "x", "9223372036854775807"} { // another's, or nobody's
		if err := partners.ReplayOne(ctx, f, id, d, note); err == nil || !strings.Contains(err.Error(), "the endpoint "+id+" has no delivery") {
			t.Errorf("%s: %v", d, err)
		}
	}
	last, _ := orders.other(t, webhook.MostListed)
	if _, err := partners.Show(ctx, f, last, "", 1); err != nil {
		t.Error("an endpoint behind all that are listed:", err)
	}
	if e, err = partners.Switch(ctx, f, id, true, web.Switch{Note: note, Skip: true}); err != nil || e.Disabled != "" || e.Dead != 2 {
		t.Errorf("%+v, %v", e, err)
	}
	none := partners.ReplayOne(ctx, f, "ep-none", "1", note)
	if none == nil || !strings.Contains(none.Error(), "no service has an endpoint ep-none: see muster webhook ls") {
		t.Errorf("%v", none)
	}
	f.Services = append(f.Services, ops.Service{Name: "stopped", Stopped: true})
	if _, err := partners.Show(ctx, f, "ep-none", "", 1); err == nil || !strings.Contains(err.Error(), "stopped: it has no instance to ask") {
		t.Errorf("%v", err)
	}
}
