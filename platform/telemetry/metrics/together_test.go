package metrics_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
)

// TestAllAtOnce appends, asks, looks after and closes at the same time: each call does
// what it should, or says that the database is closed.
func TestAllAtOnce(t *testing.T) {
	db := open(t, t.TempDir(), metrics.Config{})
	handler := db.Handler()
	ctx := context.Background()
	var all sync.WaitGroup
	for worker, work := range []func(i int) error{
		func(i int) error {
			_, _, err := db.Append(ctx, otlptest.Request("a", "a-1", otlptest.Counter("n", "", otlptest.Number(time.Now(), float64(i)))))
			return err
		},
		func(i int) error {
			_, _, err := db.Append(ctx, otlptest.Request("b", "b-1", otlptest.Sum("d", "", true, otlptest.Delta, otlptest.Number(time.Now(), 1, "i", i%7))))
			return err
		},
		func(int) error { return second(db.Query(ctx, "sum(n_total) + sum(d_total)", time.Now())) },
		func(int) error {
			return second(db.Range(ctx, "rate(n_total[1m])", time.Now().Add(-time.Minute), time.Now(), time.Second))
		},
		func(int) error { return metrics.Maintain(db) },
		func(int) error { _, _ = db.Stats(), db.Cardinality(); return nil },
		func(int) error {
			for _, path := range []string{"/metrics", "/api/v1/labels", "/api/v1/status/tsdb", "/api/v1/query_exemplars?query=n_total"} {
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, http.NoBody))
			}
			return nil
		},
	} {
		all.Go(func() {
			for i := range 100 {
				if err := work(i); err != nil && !errors.Is(err, metrics.ErrClosed) {
					t.Errorf("%d: %v", worker, err)
					return
				}
				if worker == 0 && i == 90 {
					if err := db.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
}

// FuzzAPI asks anything: the answer is JSON, and never that something broke inside.
func FuzzAPI(f *testing.F) {
	db, err := metrics.Open(f.TempDir(), metrics.Config{Now: (&clock{start}).Now, MaxSamples: 10_000, Timeout: 5 * time.Second})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	send(f, db, "a", otlptest.Counter("n", "", otlptest.Number(start, 1, "code", 200)))
	handler := db.Handler()
	f.Add("query", "query=sum(n_total)&time=1700000000&timeout=1s&limit=3&lookback_delta=1m")
	f.Add("query_range", "query=rate(n_total[5m])&start=1699999000&end=2023-11-14T22:13:20Z&step=15s")
	f.Add("query_exemplars", "query=n_total&start=-1e20&end=1e300")
	f.Add("series", "match[]=n_total&match[]={code=~\".+\"}&limit=1")
	f.Add("label/code/values", "start=-292273086-05-16T16:47:06Z&end=%2B292277025-08-18T07:12:54.999999999Z")
	f.Add("label/U__c_6f_de/values", "")
	f.Add("metadata", "limit=0&metric=x")
	f.Add("status/tsdb", "limit=99")
	f.Add("format_query", "query=1%2B1")
	f.Fuzz(func(t *testing.T, path, form string) {
		req, err := http.NewRequest(http.MethodGet, "http://x/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.URL = &url.URL{Path: "/api/v1/" + path, RawQuery: form}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		if w.Code >= 300 && w.Code < 400 {
			return // the path is cleaned
		}
		if w.Code == http.StatusInternalServerError || w.Code == http.StatusOK && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s?%s: %d %s", path, form, w.Code, w.Body)
		}
	})
}
