package telemetry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry"
	"github.com/musterdev/muster/platform/telemetry/query"
)

// A backend for OTLP in a few lines: what programs send is kept in a folder, and can be
// asked for.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "telemetry")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	t, err := telemetry.Open(telemetry.Config{Dir: dir, Now: func() time.Time { return time.Unix(1_700_000_060, 0) }})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer t.Close() // and, in a program that goes on: go t.Run(ctx)
	mux := http.NewServeMux()
	for pattern, h := range t.Intake() {
		mux.Handle(pattern, h)
	}
	for pattern, h := range t.Answers() {
		mux.Handle(pattern, h)
	}
	srv := httptest.NewServer(mux)
	defer srv.Close()

	sent, err := http.Post(srv.URL+"/v1/traces", "application/json", strings.NewReader(`{"resourceSpans":[{
		"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
		"scopeSpans":[{"spans":[{
			"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"GET /cart","kind":2,
			"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000012000000"}]}]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sent.Body.Close()
	asked, err := http.Get(srv.URL + "/v1/telemetry/traces?service=shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer asked.Body.Close()
	var found query.Traces
	if err := json.NewDecoder(asked.Body).Decode(&found); err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range found.Traces {
		fmt.Printf("%s %s: %g ms\n", s.Service, s.Name, s.Duration)
	}
	fmt.Println(t.Health().Signals["spans"].Stored, "stored")
	// Output:
	// shop GET /cart: 12 ms
	// 1 stored
}
