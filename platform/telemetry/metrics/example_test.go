package metrics_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
)

// What a program exported by OTLP is asked for by PromQL.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "metrics")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	db, err := metrics.Open(dir, metrics.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }() // and db.Run in the background

	ctx, now := context.Background(), time.Now()
	for i := range 3 {
		at := now.Add(time.Duration(i-2) * 10 * time.Second)
		export := otlptest.Request("orders", "orders-1", otlptest.Counter("http.requests", "{request}", otlptest.Number(at, float64(50*i), "http.route", "/v1/orders")))
		if rejected, why, err := db.Append(ctx, export); err != nil || rejected > 0 {
			fmt.Println(rejected, why, err)
		}
	}
	list, err := db.Query(ctx, `sum by(http_route) (increase(http_requests_total{job="orders"}[1m]))`, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range list {
		fmt.Printf("%s %.0f in the last minute\n", s.Labels.Get("http_route"), s.Points[0].Value)
	}
	// Output: /v1/orders 100 in the last minute
}
