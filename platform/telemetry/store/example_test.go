package store_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "telemetry")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	s, err := store.Open(dir, store.Config{Retention: store.Limit{Age: 24 * time.Hour}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	go func() { _ = s.Run(ctx) }() // writes blocks, forgets what is older than a day

	err = s.Append(ctx, signal.Batch{Spans: []signal.Span{{
		Trace: signal.TraceID{1}, ID: signal.SpanID{1}, Service: "orders", Name: "POST /v1/orders", Kind: signal.Server,
		Start: time.Now().UnixNano(), Duration: int64(12 * time.Millisecond),
		Attributes: signal.Attributes{{Key: "http.response.status_code", Value: signal.IntValue(201)}},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	created := signal.SpanQuery{Service: "orders", Match: []signal.Match{{Key: "http.response.status_code", Value: "201"}}}
	for span, err := range s.Spans(ctx, created) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(span.Name, time.Duration(span.Duration))
	}
	// Output: POST /v1/orders 12ms
}
