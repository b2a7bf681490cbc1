package query_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Whoever has a store has the API of the dashboard and of the command line.
func ExampleNew() {
	var store memory // in a program: store.Open
	_ = store.Append(context.Background(), signal.Batch{Spans: order(1, time.Minute, time.Second)})

	api := query.New(query.Config{Store: &store, Now: func() time.Time { return noon }})
	w := httptest.NewRecorder()
	api.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/v1/telemetry/points?service=orders&min=100ms", nil))
	fmt.Print(w.Body)
	// Output: {"points":[{"trace":"00000000000000000000000000000001","start":1772366340002,"duration":996,"error":true}],"more":false}
}

// What comes in is shown to those who watch.
func ExampleLive() {
	live := query.NewLive(nil)
	tail, err := live.Tail(signal.LogQuery{Service: "cart"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer tail.Close()
	live.Add(signal.Batch{Logs: []signal.Log{{Service: "cart", Body: "added"}, {Service: "orders", Body: "placed"}}})
	logs, lost, err := tail.Next(context.Background())
	fmt.Println(logs[0].Body, len(logs), lost, err)
	// Output: added 1 0 <nil>
}
