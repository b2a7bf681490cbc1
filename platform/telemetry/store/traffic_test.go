package store_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// traffic makes spans as services of a shop do: ten services, ten spans a trace, twelve
// attributes, of which four are hardly ever the same.
type traffic struct {
	rnd       *rand.Rand
	now       int64
	resources [10]signal.Attributes
}

func newTraffic() *traffic {
	tr := &traffic{rnd: rand.New(rand.NewPCG(1, 2)), now: 1_700_000_000_000_000_000}
	for i := range tr.resources {
		tr.resources[i] = signal.Attributes{
			{Key: "service.instance.id", Value: signal.StringValue(fmt.Sprintf("service-%d-0", i))},
			{Key: "telemetry.sdk.language", Value: signal.StringValue("go")},
			{Key: "process.pid", Value: signal.IntValue(int64(1000 + i))},
		}
	}
	return tr
}

func (tr *traffic) id(b []byte) {
	for i := range b {
		b[i] = byte(tr.rnd.Uint32())
	}
}

// traces appends n traces of ten spans.
func (tr *traffic) traces(dst []signal.Span, n int) []signal.Span {
	routes := []string{"/v1/orders/{id}", "/v1/products", "/v1/carts/{id}/lines", "/v1/stock"}
	for range n {
		tr.now += 3_600_000_000 + tr.rnd.Int64N(1_000_000)
		var id signal.TraceID
		tr.id(id[:])
		var parent signal.SpanID
		user, order := tr.rnd.IntN(20_000), tr.rnd.IntN(1<<30)
		for k := range 10 {
			route := routes[tr.rnd.IntN(len(routes))]
			s := signal.Span{
				Trace: id, Parent: parent, Service: "service-" + strconv.Itoa(k), Name: "GET " + route, Kind: signal.Server,
				Start: tr.now + int64(k)*100_000 + tr.rnd.Int64N(50_000), Duration: int64(1_000_000 * (0.2 + tr.rnd.ExpFloat64()*5)),
				Resource: tr.resources[k], Scope: "net/http",
			}
			tr.id(s.ID[:])
			status := int64(200)
			if tr.rnd.IntN(100) == 0 {
				status, s.Status = 500, signal.Error
			}
			s.Attributes = signal.Attributes{
				{Key: "http.request.method", Value: signal.StringValue("GET")},
				{Key: "http.route", Value: signal.StringValue(route)},
				{Key: "url.path", Value: signal.StringValue("/v1/orders/" + strconv.Itoa(order))},
				{Key: "url.scheme", Value: signal.StringValue("http")},
				{Key: "http.response.status_code", Value: signal.IntValue(status)},
				{Key: "server.address", Value: signal.StringValue("service-" + strconv.Itoa(k))},
				{Key: "server.port", Value: signal.IntValue(8080)},
				{Key: "network.peer.address", Value: signal.StringValue(fmt.Sprintf("10.0.%d.%d", tr.rnd.IntN(16), tr.rnd.IntN(256)))},
				{Key: "network.protocol.version", Value: signal.StringValue("1.1")},
				{Key: "user.id", Value: signal.StringValue("user-" + strconv.Itoa(user))},
				{Key: "order.id", Value: signal.IntValue(int64(order))},
				{Key: "http.response.body.size", Value: signal.IntValue(int64(tr.rnd.IntN(8000)))},
			}
			parent = s.ID
			dst = append(dst, s)
		}
	}
	return dst
}
