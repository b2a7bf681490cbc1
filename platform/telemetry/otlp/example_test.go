package otlp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// A program that prints the spans that others send it.
func ExampleReceiver() {
	r := &otlp.Receiver{
		Sink: func(_ context.Context, b signal.Batch) error {
			for _, s := range b.Spans {
				fmt.Println(s.Service, s.Name, time.Duration(s.Duration))
			}
			return nil
		},
		Now: func() time.Time { return time.Unix(1_700_000_000, 0) },
	}
	srv := httptest.NewServer(r.Handler())
	defer srv.Close()

	res, err := http.Post(srv.URL+"/v1/traces", "application/json", strings.NewReader(`{"resourceSpans":[{
		"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
		"scopeSpans":[{"spans":[{
			"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"GET /cart",
			"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000012000000"}]}]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.StatusCode, r.Counts().Signals[otlp.Spans].Stored)
	// Output:
	// shop GET /cart 12ms
	// 200 1
}
