package ops_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/ops"
)

// asked sends a request to the handler and reads the answer.
func asked[T any](t *testing.T, base, method, path, body string, status int) (v T) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(ops.ActionHeader, "yes")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != status {
		t.Fatalf("%s %s: %s: %s", method, path, res.Status, text)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
	return v
}

// A page sees the sagas and dead messages of all services, mends them, and is told who
// did not answer.
func TestHandler(t *testing.T) {
	orders := newService(t, "orders", "checkout")
	f := &ops.Fleet{Services: []ops.Service{orders.Service, {Name: "silent", URLs: []string{"http://127.0.0.1:1"}}}}
	only := &ops.Fleet{Services: f.Services[:1]}
	orders.start(t, only, "checkout", "o-1")
	orders.park(t, "orders", "m-1", true)
	base := serve(t, ops.Handler(func() *ops.Fleet { return f }))

	list := asked[ops.SagaList](t, base, "GET", "/v1/ops/sagas?state=paused", "", 200)
	if len(list.Sagas) != 1 || list.Sagas[0].Service != "orders" || list.Sagas[0].ID != "o-1" || list.All != 1 {
		t.Errorf("sagas %+v", list)
	}
	if len(list.Missing) != 1 || !strings.Contains(list.Missing[0].Error, "silent") {
		t.Errorf("missing %+v", list.Missing)
	}
	// The counts are of all states, whichever one is asked for.
	list = asked[ops.SagaList](t, base, "GET", "/v1/ops/sagas?state=completed", "", 200)
	if len(list.Sagas) != 0 || list.All != 0 || list.Counts[saga.Paused] != 1 {
		t.Errorf("completed sagas %+v", list)
	}
	d := asked[ops.SagaDetail](t, base, "GET", "/v1/ops/sagas/orders/checkout/o-1", "", 200)
	if d.State != saga.Paused {
		t.Errorf("saga %+v", d)
	}
	d = asked[ops.SagaDetail](t, base, "POST", "/v1/ops/sagas/orders/checkout/o-1/compensate", `{"by":"me","why":"a test"}`, 200)
	if d.State == saga.Paused {
		t.Errorf("after the order: %+v", d.State)
	}
	q := asked[ops.Queues](t, base, "GET", "/v1/ops/queues", "", 200)
	if len(q.Dead) != 1 || q.Dead[0].Event != "m-1" || q.Broker {
		t.Errorf("queues %+v", q)
	}
	f.Services = only.Services
	asked[ops.Parked](t, base, "POST", "/v1/ops/dead/orders/"+q.Dead[0].ID+"/discard", "", 200)
	if q = asked[ops.Queues](t, base, "GET", "/v1/ops/queues", "", 200); len(q.Dead) != 0 {
		t.Errorf("discarded, and there: %+v", q.Dead)
	}
}

func TestHandlerRefuses(t *testing.T) {
	base := serve(t, ops.Handler(func() *ops.Fleet { return &ops.Fleet{} }))
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/v1/ops/sagas?state=lost", "", 400, "state"},
		{"GET", "/v1/ops/sagas?limit=0", "", 400, "limit"},
		{"GET", "/v1/ops/sagas?service=nobody", "", 404, "nobody"},
		{"GET", "/v1/ops/sagas/a/b/c", "", 404, `"a"`},
		{"POST", "/v1/ops/sagas/a/b/c/explode", "{}", 404, "explode"},
		{"POST", "/v1/ops/sagas/a/b/c/retry", "{", 400, "JSON"},
		{"POST", "/v1/ops/dead/a/b/keep", "", 404, "keep"},
		{"POST", "/v1/ops/redrive", "{}", 400, "group"},
		{"GET", "/v1/ops/nothing", "", 404, "nothing"},
	} {
		v := asked[map[string]any](t, base, c.method, c.path, c.body, c.status)
		if text, err := json.Marshal(v); err != nil || !strings.Contains(string(text), strings.ReplaceAll(c.says, `"`, `\"`)) {
			t.Errorf("%s %s: %s, want it to say %s", c.method, c.path, text, c.says)
		}
	}
	res, err := http.Post(base+"/v1/ops/redrive", "text/plain", strings.NewReader(`{"group":"g"}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("an order without the header: %s", res.Status)
	}
}

func TestRegistered(t *testing.T) {
	at := func(id string, state discovery.State, url string) discovery.Instance {
		return discovery.Instance{ID: id, State: state, Endpoints: map[string]string{discovery.HTTP: url}}
	}
	f := ops.Registered(discovery.Catalog{Services: map[string][]discovery.Instance{
		"b":      {at("b-1", discovery.Ready, "127.0.0.1:1"), at("b-2", discovery.Draining, "127.0.0.1:2")},
		"a":      {at("a-1", discovery.Ready, "127.0.0.1:3")},
		"broker": {at("broker", discovery.Ready, "127.0.0.1:4")},
		"gone":   {},
	}}, "broker")
	if len(f.Services) != 2 || f.Services[0].Name != "a" || f.Services[1].Name != "b" || len(f.Services[1].URLs) != 1 || f.Broker != "http://127.0.0.1:4" {
		t.Errorf("%+v", f)
	}
}
