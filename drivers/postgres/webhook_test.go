package postgres_test

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/webhooktest"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/webhook"
)

func TestWebhooks(t *testing.T) {
	pgtest.Start(t) // skips here, by the suite's name, where there is no PostgreSQL
	webhooktest.Run(t, func(t *testing.T) func() *sql.DB {
		url := pgtest.Database(t)
		return func() *sql.DB { return open(t, url) }
	})
}

// TestWebhooksOfABacklog: what waits for an endpoint is not read whole to find what is next.
func TestWebhooksOfABacklog(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	dbtest.Succeed(t, webhook.Migrate(t.Context(), db))
	worker := open(t, url)
	w, err := webhook.New(worker, webhook.Config{Plain: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	dbtest.Succeed(t, err)
	const waiting, some = 5000, 100
	ctx, cancel := context.WithCancel(t.Context())
	var posts atomic.Int64
	partner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if posts.Add(1) == some {
			cancel()
		}
	}))
	t.Cleanup(partner.Close)
	_, _, err = w.Create(t.Context(), webhook.Endpoint{URL: partner.URL, Topics: []string{"orders.*"}})
	dbtest.Succeed(t, err)
	dbtest.Execute(t, db, `INSERT INTO muster_webhook_event (source, event, topic, message, body)
		SELECT '/orders', CAST(n AS text), 'orders.confirmed', 'm', '{}' FROM generate_series(1, $1) n`, waiting)
	dbtest.Execute(t, db, `INSERT INTO muster_webhook_delivery (endpoint, event) SELECT e.id, v.id FROM muster_webhook_endpoint e, muster_webhook_event v`)
	dbtest.Execute(t, db, `ANALYZE`)
	dbtest.Succeed(t, w.Run(ctx))
	dbtest.Succeed(t, worker.Close()) // else its figures come late
	dbtest.Eventually(t, "the figures", func() bool {
		return dbtest.Value[int](t, db, `SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'muster_webhook_delivery'`) >= 2*some
	})
	read := dbtest.Value[int](t, db, `SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'muster_webhook_delivery'`)
	t.Logf("%d rows were read for %d posts of %d that wait", read, posts.Load(), waiting)
	if read > 10*waiting {
		t.Error("all that waits is read again and again")
	}
}
