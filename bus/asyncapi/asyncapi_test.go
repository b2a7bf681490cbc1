package asyncapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/asyncapi"
)

type line struct {
	Product string `json:"product" doc:"Its id." example:"p-1"`
	Cents   int64  `json:"cents" min:"0"`
}

type order struct {
	ID    string            `json:"id"`
	Lines []line            `json:"lines"`
	At    time.Time         `json:"at"`
	Note  *string           `json:"note,omitempty" max:"100"`
	Next  *order            `json:"next,omitempty"`
	Tags  map[string]string `json:"tags,omitempty"`
	State string            `json:"state" enum:"new,paid"`
}

func placed() bus.Topic[order] { return bus.Topic[order]{Name: "orders.placed"} }

func made(t *testing.T, events ...asyncapi.Event) *asyncapi.Document {
	t.Helper()
	d, err := asyncapi.New(asyncapi.Info{Title: "Orders", Version: "1.0.0"}, events...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// References lead somewhere, and what is declared is there.
func TestDocument(t *testing.T) {
	other := bus.Topic[line]{Name: "carts.filled"}
	waits := bus.Topic[*durationpb.Duration]{Name: "orders.waited"}
	d := made(t, asyncapi.Sends(placed(), "When a shopper orders."), asyncapi.Receives(placed(), ""), asyncapi.Receives(other, ""), asyncapi.Sends(waits, ""))
	var doc map[string]any
	if err := json.Unmarshal(d.JSON(), &doc); err != nil {
		t.Fatal(err)
	}
	var follow func(v any)
	follow = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if to, ok := v["$ref"].(string); ok && find(doc, to) == nil {
				t.Errorf("%s leads nowhere", to)
			}
			for _, w := range v {
				follow(w)
			}
		case []any:
			for _, w := range v {
				follow(w)
			}
		}
	}
	follow(doc)
	for path, want := range map[string]any{
		"#/asyncapi": "3.0.0", "#/channels/orders.placed/address": "orders.placed",
		"#/operations/send.orders.placed/action": "send", "#/operations/send.orders.placed/summary": "When a shopper orders.", "#/operations/receive.orders.placed/action": "receive",
		"#/components/messages/orders.placed/payload/$ref":               "#/components/schemas/order",
		"#/components/schemas/line/properties/product/description":       "Its id.",
		"#/components/schemas/order/properties/state/enum":               []any{"new", "paid"},
		"#/components/messages/orders.waited/contentType":                "application/protobuf",
		"#/components/messages/orders.waited/payload/schemaFormat":       "application/vnd.google.protobuf;version=3",
		"#/components/schemas/CloudEventAttributes/properties/type/type": "string",
		"#/components/messages/orders.placed/correlationId/location":     "$message.header#/correlationid",
	} {
		if got := find(doc, path); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	sends, receives, err := asyncapi.Topics(d.JSON())
	if got := fmt.Sprint(sends, receives, err); got != "[orders.placed orders.waited] [carts.filled orders.placed] <nil>" {
		t.Error(got)
	}
}

// find follows a JSON pointer.
func find(doc any, pointer string) any {
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "#/"), "/") {
		m, _ := doc.(map[string]any)
		doc = m[part]
	}
	return doc
}

func TestTheSameDeclarationsMakeTheSameBytes(t *testing.T) {
	other := bus.Topic[line]{Name: "carts.filled"}
	a := made(t, asyncapi.Sends(placed(), ""), asyncapi.Receives(other, "")).JSON()
	b := made(t, asyncapi.Receives(other, ""), asyncapi.Sends(placed(), "")).JSON()
	if !bytes.Equal(a, b) {
		t.Errorf("%s\n%s", a, b)
	}
}

func TestTheProtoOfAMessage(t *testing.T) {
	d := made(t, asyncapi.Sends(bus.Topic[*structpb.Value]{Name: "a.b"}, ""))
	var doc map[string]any
	if err := json.Unmarshal(d.JSON(), &doc); err != nil {
		t.Fatal(err)
	}
	text, _ := find(doc, "#/components/messages/a.b/payload/schema").(string)
	for _, want := range []string{
		"syntax = \"proto3\";\npackage google.protobuf;\n", "enum NullValue {\n  NULL_VALUE = 0;\n}\n",
		"  map<string, .google.protobuf.Value> fields = 1;\n", "  repeated .google.protobuf.Value values = 1;\n",
		"  oneof kind {\n    .google.protobuf.NullValue null_value = 1;\n    double number_value = 2;\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestWhatIsWrong(t *testing.T) {
	for want, events := range map[string][]asyncapi.Event{
		`the topic "orders" has 1 segments`:    {asyncapi.Sends(bus.Topic[line]{Name: "orders"}, "")},
		"is declared twice (send)":             {asyncapi.Sends(placed(), ""), asyncapi.Sends(placed(), "")},
		"carries asyncapi_test.":               {asyncapi.Sends(placed(), ""), asyncapi.Receives(bus.Topic[line]{Name: "orders.placed"}, "")},
		"JSON has no form for the type func()": {asyncapi.Sends(bus.Topic[func()]{Name: "a.b"}, "")},
	} {
		if _, err := asyncapi.New(asyncapi.Info{Title: "x"}, events...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := asyncapi.New(asyncapi.Info{}); err == nil {
		t.Error("without a title")
	}
	for _, text := range []string{"", "{}", `{"asyncapi":"2.6.0"}`, `{"asyncapi":"3.0.0","operations":{"x":{"action":"send","channel":{"$ref":"#/channels/none"}}}}`} {
		if _, _, err := asyncapi.Topics([]byte(text)); err == nil {
			t.Errorf("%s is a document", text)
		}
	}
}

func FuzzTopics(f *testing.F) {
	f.Add([]byte(`{"asyncapi":"3.0.0","channels":{"a":{"address":"a.b"}},"operations":{"x":{"action":"send","channel":{"$ref":"#/channels/a"}}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		sends, receives, err := asyncapi.Topics(text)
		if err != nil && len(sends)+len(receives) > 0 {
			t.Error("both an error and topics")
		}
	})
}

func TestServes(t *testing.T) {
	d := made(t, asyncapi.Sends(placed(), ""))
	w := httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(http.MethodGet, asyncapi.Path, http.NoBody))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || !bytes.Equal(w.Body.Bytes(), d.JSON()) {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	w = httptest.NewRecorder()
	d.ServeHTTP(w, httptest.NewRequest(http.MethodPost, asyncapi.Path, http.NoBody))
	bad := asyncapi.Handler(asyncapi.Info{})
	if bad.Err() == nil || d.Err() != nil || asyncapi.Handler(asyncapi.Info{Title: "x"}).Err() != nil {
		t.Errorf("%v, %v", bad.Err(), d.Err())
	}
	refused := httptest.NewRecorder()
	bad.ServeHTTP(refused, httptest.NewRequest(http.MethodGet, asyncapi.Path, http.NoBody))
	if refused.Code != 500 || strings.Contains(refused.Body.String(), "Title") {
		t.Errorf("%d %s", refused.Code, refused.Body)
	}
	if w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func Example() {
	type Confirmed struct {
		Order string `json:"order" doc:"Its id."`
	}
	confirmed := bus.Topic[Confirmed]{Name: "orders.confirmed"}
	doc, err := asyncapi.New(asyncapi.Info{Title: "Orders", Version: "1.4.0"}, asyncapi.Sends(confirmed, "It has been paid."))
	if err != nil {
		fmt.Println(err)
		return
	}
	http.NewServeMux().Handle(asyncapi.Path, doc) // or app.Handle
	fmt.Println(strings.Contains(string(doc.JSON()), `"description": "Its id."`))
	// Output: true
}
