package cause_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/graph/cause"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

func span(id, parent byte, service, name, kind string, attributes ...string) cause.Span {
	s := cause.Span{Service: service, Name: name, Kind: kind, ID: signal.SpanID{id}, Parent: signal.SpanID{parent}}
	for i := 0; i < len(attributes); i += 2 {
		s.Attributes = append(s.Attributes, signal.Attribute{Key: attributes[i], Value: signal.StringValue(attributes[i+1])})
	}
	return s
}

func message(id, topic, causedBy string) []string {
	list := []string{"messaging.message.id", id, "messaging.destination.name", topic}
	if causedBy != "" {
		list = append(list, "muster.message.cause", causedBy)
	}
	return list
}

// An order: a request begins a saga, whose step asks for money, whose answer leads to a parcel.
var order = []cause.Span{
	span(1, 0, "orders", "POST /orders", "server"),
	span(2, 1, "orders", "saga checkout pay", "internal", "muster.saga.name", "checkout", "muster.saga.step", "pay"),
	span(3, 2, "orders", "publish payments.requested", "producer", message("m-1", "payments.requested", "")...),
	span(4, 3, "payments", "process payments.requested", "consumer", message("m-1", "payments.requested", "")...),
	span(5, 4, "payments", "publish payments.captured", "producer", message("m-2", "payments.captured", "m-1")...),
	span(6, 5, "notify", "process payments.captured", "consumer", message("m-2", "payments.captured", "")...),
	span(7, 1, "orders", "publish orders.placed", "producer", message("m-3", "orders.placed", "")...),
	span(8, 99, "stock", "publish stock.low", "producer", message("m-4", "stock.low", "")...),
}

const want = `CAUSE               LED       TO PUBLISH          TIMES  HANDLED BY
-                   stock     stock.low           1      -
POST /orders        orders    orders.placed       1      -
payments.requested  payments  payments.captured   1      notify
saga checkout/pay   orders    payments.requested  1      payments
`

func TestWhatLedToWhat(t *testing.T) {
	var c cause.Causes
	c.Add(order)
	c.Add(order) // seen twice
	if got := cause.Text(c.Links()); got != want {
		t.Errorf("got\n%s", got)
	}
	back := slices.Clone(order)
	slices.Reverse(back)
	var d cause.Causes
	d.Add(back)
	if got := cause.Text(d.Links()); got != want {
		t.Errorf("in another order\n%s", got)
	}
	m := cause.Map(c.Links())
	if len(m.Nodes) != 7 || len(m.Edges) != 4 {
		t.Errorf("%+v", m)
	}
	if got := cause.Text((&cause.Causes{}).Links()); got != "no event was published\n" {
		t.Error(got)
	}
}

// An event that is handled in a trace of its own names its cause, and a ring of parents ends.
func TestOverTraces(t *testing.T) {
	var c cause.Causes
	c.Add([]cause.Span{span(5, 6, "payments", "publish", "producer", message("m-2", "captured", "m-1")...), span(6, 5, "payments", "x", "internal")})
	c.Add([]cause.Span{span(3, 0, "orders", "publish", "producer", message("m-1", "requested", "")...)})
	if got := fmt.Sprint(c.Links()); got != "[{ unknown orders requested 1 []} {requested event payments captured 1 []}]" {
		t.Error(got)
	}
}

func ExampleCauses() {
	var c cause.Causes
	c.Add(order)
	for _, l := range c.Links() {
		if l.Kind == "event" {
			fmt.Println(l.Cause, "led", l.By, "to publish", l.Event)
		}
	}
	// Output: payments.requested led payments to publish payments.captured
}
