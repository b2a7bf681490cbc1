package bus_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/problem"
)

func whole() bus.Msg {
	return bus.Msg{
		ID: "id-1", Source: "/orders", Topic: "orders.placed", Subject: "Bücher, 世界", Key: "o1",
		Time: time.Date(2026, 11, 23, 1, 2, 3, 4, time.UTC), NotBefore: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		ContentType: "application/json", Schema: "https://example.com/s", Sequence: "7", Causation: "c", Correlation: "d",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=1",
		Extensions: map[string]string{"tenant": "acme"}, Data: []byte(`{}`),
	}
}

func same(a, b bus.Msg) bool {
	return maps.Equal(a.Attributes(), b.Attributes()) && string(a.Data) == string(b.Data)
}

func TestValidateNamesTheField(t *testing.T) {
	if err := whole().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		field string
		of    error
		spoil func(m *bus.Msg)
	}{
		"no id":             {"id", bus.ErrInvalid, func(m *bus.Msg) { m.ID = "" }},
		"a space in the id": {"id", bus.ErrInvalid, func(m *bus.Msg) { m.ID = "a b" }},
		"a long id":         {"id", bus.ErrInvalid, func(m *bus.Msg) { m.ID = strings.Repeat("x", 256) }},
		"no source":         {"source", bus.ErrInvalid, func(m *bus.Msg) { m.Source = "" }},
		"source no URI":     {"source", bus.ErrInvalid, func(m *bus.Msg) { m.Source = "%zz" }},
		"one segment":       {"type", bus.ErrInvalid, func(m *bus.Msg) { m.Topic = "orders" }},
		"a pattern":         {"type", bus.ErrInvalid, func(m *bus.Msg) { m.Topic = "orders.*" }},
		"a line break":      {"subject", bus.ErrInvalid, func(m *bus.Msg) { m.Subject = "a\nb" }},
		"a DEL":             {"subject", bus.ErrInvalid, func(m *bus.Msg) { m.Subject = "a\x7f" }},
		"a C1 control":      {"subject", bus.ErrInvalid, func(m *bus.Msg) { m.Subject = "a\u0085" }},
		"a noncharacter":    {"subject", bus.ErrInvalid, func(m *bus.Msg) { m.Subject = "\ufdd0" }},
		"no UTF-8":          {"partitionkey", bus.ErrInvalid, func(m *bus.Msg) { m.Key = "\xff" }},
		"a long key":        {"partitionkey", bus.ErrInvalid, func(m *bus.Msg) { m.Key = strings.Repeat("k", 256) }},
		"no media type":     {"datacontenttype", bus.ErrInvalid, func(m *bus.Msg) { m.ContentType = "/" }},
		"schema no URI":     {"dataschema", bus.ErrInvalid, func(m *bus.Msg) { m.Schema = "a b" }},
		"a far year":        {"time", bus.ErrInvalid, func(m *bus.Msg) { m.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		"not before ever":   {"notbefore", bus.ErrInvalid, func(m *bus.Msg) { m.NotBefore = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) }},
		"an upper case":     {"Tenant", bus.ErrInvalid, func(m *bus.Msg) { m.Extensions = map[string]string{"Tenant": ""} }},
		"a long name":       {"abcdefghijklmnopqrstu", bus.ErrInvalid, func(m *bus.Msg) { m.Extensions = map[string]string{"abcdefghijklmnopqrstu": ""} }},
		"a field's name":    {"partitionkey", bus.ErrInvalid, func(m *bus.Msg) { m.Extensions = map[string]string{"partitionkey": ""} }},
		"called data":       {"data", bus.ErrInvalid, func(m *bus.Msg) { m.Extensions = map[string]string{"data": ""} }},
		"a control in it":   {"tenant", bus.ErrInvalid, func(m *bus.Msg) { m.Extensions = map[string]string{"tenant": "\x00"} }},
		"a byte too many":   {"data", bus.ErrTooLarge, func(m *bus.Msg) { m.Data = make([]byte, bus.MaxData+1) }},
		"attributes in all": {"", bus.ErrTooLarge, func(m *bus.Msg) {
			m.Extensions = map[string]string{}
			for _, c := range "abcdef" {
				m.Extensions[string(c)] = strings.Repeat("x", 4000)
			}
		}},
	} {
		m := whole()
		x.spoil(&m)
		err := m.Validate()
		e, ok := errors.AsType[*problem.Error](err)
		if !ok || !errors.Is(err, x.of) || len(e.Details) != 1 || e.Details[0].Field != x.field {
			t.Errorf("%s: %v", name, err)
		}
		if draft := m.ValidateDraft(); (draft == nil) != (name == "no source") {
			t.Errorf("%s, as a draft: %v", name, draft)
		}
	}
	if bus.ErrTooLarge.HTTPStatus() != 413 || bus.ErrInvalid.HTTPStatus() != 400 {
		t.Error("the statuses")
	}
}

func TestAttributesComeBack(t *testing.T) {
	for _, m := range []bus.Msg{whole(), {ID: "1", Source: "/s", Topic: "a.b"}} {
		got, err := bus.FromAttributes(m.Attributes(), m.Data)
		if err != nil || !same(got, m) || !got.Time.Equal(m.Time) || !got.NotBefore.Equal(m.NotBefore) {
			t.Errorf("%+v, %v\nwas %+v", got, err, m)
		}
	}
	for name, x := range map[string]struct {
		field string
		spoil func(a map[string]string)
	}{
		"no version":      {"specversion", func(a map[string]string) { delete(a, "specversion") }},
		"another version": {"specversion", func(a map[string]string) { a["specversion"] = "0.3" }},
		"no type":         {"type", func(a map[string]string) { delete(a, "type") }},
		"no source":       {"source", func(a map[string]string) { delete(a, "source") }},
		"no time":         {"time", func(a map[string]string) { a["time"] = "yesterday" }},
		"no time before":  {"notbefore", func(a map[string]string) { a["notbefore"] = "12:00" }},
		"a bad extension": {"x-y", func(a map[string]string) { a["x-y"] = "z" }},
	} {
		a := whole().Attributes()
		x.spoil(a)
		_, err := bus.FromAttributes(a, nil)
		if e, ok := errors.AsType[*problem.Error](err); !ok || e.Details[0].Field != x.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFromAttributes(f *testing.F) {
	for _, m := range []bus.Msg{whole(), {ID: "1", Source: "/s", Topic: "a.b"}} {
		b, err := json.Marshal(m.Attributes())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, m.Data)
	}
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/","type":"a.b","time":"2026-01-01t00:00:00z","x":"\u0000"}`), []byte(nil))
	f.Fuzz(func(t *testing.T, b, data []byte) {
		var a map[string]string
		if json.Unmarshal(b, &a) != nil {
			return
		}
		m, err := bus.FromAttributes(a, data)
		if err != nil {
			if _, ok := errors.AsType[*problem.Error](err); !ok {
				t.Fatalf("%v is no problem", err)
			}
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatalf("what was read is not valid: %v", err)
		}
		again, err := bus.FromAttributes(m.Attributes(), m.Data)
		if err != nil || !same(again, m) {
			t.Fatalf("%+v, %v\nwas %+v", again, err, m)
		}
	})
}

// These lanes are kept in brokers: a change loses the order of what is there.
func TestLanesNeverChange(t *testing.T) {
	for key, want := range map[string]int{"a": 0, "o1": 10, "order-4711": 5, "Ünicode": 7} {
		if got := bus.Lane(bus.Msg{ID: "x", Key: key}, 16); got != want {
			t.Errorf("%q goes through %d, not %d", key, got, want)
		}
		if bus.Lane(bus.Msg{ID: key}, 16) != want {
			t.Errorf("without a key %q is not spread by its ID", key)
		}
	}
	counts := make([]int, 16)
	for i := range 16000 {
		counts[bus.Lane(bus.Msg{Key: "order-" + string(rune('a'+i%26)) + strings.Repeat("x", i%7) + time.Duration(i).String()}, 16)]++
	}
	for lane, n := range counts {
		if n < 800 || n > 1200 {
			t.Errorf("%d of 16000 keys in lane %d", n, lane)
		}
	}
	if bus.Lane(bus.Msg{Key: "k"}, 0) != 0 || bus.Lane(bus.Msg{Key: "k"}, 1) != 0 {
		t.Error("one lane")
	}
}

type event struct {
	Order string `json:"order"`
	Cents int64  `json:"cents"`
}

func TestEventsComeBack(t *testing.T) {
	topic := bus.Topic[event]{Name: "orders.placed"}
	m, err := topic.Msg(t.Context(), "o1", event{"o1", 42})
	if err != nil {
		t.Fatal(err)
	}
	if m.Topic != topic.Name || m.Key != "o1" || m.ID == "" || m.Correlation != m.ID || m.Causation != "" || m.ContentType != "application/json" ||
		string(m.Data) != `{"order":"o1","cents":42}` || time.Since(m.Time) > time.Minute || m.TraceParent != "" {
		t.Errorf("%+v", m)
	}
	if e, err := topic.Decode(m); err != nil || e != (event{"o1", 42}) {
		t.Errorf("%+v, %v", e, err)
	}
	m.Data, m.ContentType = []byte(`{"order":"o2","new":[]}`), "application/vnd.acme+json; charset=utf-8"
	if e, err := topic.Decode(m); err != nil || e.Order != "o2" {
		t.Errorf("a newer publisher: %+v, %v", e, err)
	}
	another, err := topic.Msg(t.Context(), "o1", event{})
	if err != nil || another.ID == m.ID {
		t.Errorf("the same ID: %v, %v", another, err)
	}
	for name, spoil := range map[string]func(m *bus.Msg){
		"another topic": func(m *bus.Msg) { m.Topic = "orders.failed" },
		"no JSON":       func(m *bus.Msg) { m.Data = []byte("{") },
		"another type":  func(m *bus.Msg) { m.Data = []byte(`{"cents":"x"}`) },
		"no data":       func(m *bus.Msg) { m.Data = nil },
		"protobuf":      func(m *bus.Msg) { m.ContentType = "application/protobuf" },
		"text":          func(m *bus.Msg) { m.ContentType = "text/plain" },
		"nonsense":      func(m *bus.Msg) { m.ContentType = "%" },
	} {
		m := m
		spoil(&m)
		if _, err := topic.Decode(m); !errors.Is(err, bus.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProtobufEventsComeBack(t *testing.T) {
	topic := bus.Topic[*durationpb.Duration]{Name: "a.b"}
	m, err := topic.Msg(t.Context(), "", durationpb.New(90*time.Second))
	if err != nil || m.ContentType != "application/protobuf" {
		t.Fatalf("%+v, %v", m, err)
	}
	if d, err := topic.Decode(m); err != nil || d.GetSeconds() != 90 {
		t.Errorf("%v, %v", d, err)
	}
	m.ContentType, m.Data = "application/json", []byte(`"60s"`)
	if d, err := topic.Decode(m); err != nil || d.GetSeconds() != 60 {
		t.Errorf("as JSON: %v, %v", d, err)
	}
	m.ContentType, m.Data = "application/protobuf", []byte("\xff")
	if _, err := topic.Decode(m); !errors.Is(err, bus.ErrInvalid) {
		t.Error(err)
	}
}

func TestEventsThatCannotBeSent(t *testing.T) {
	if _, err := (bus.Topic[float64]{Name: "a.b"}).Msg(t.Context(), "", math.NaN()); !errors.Is(err, bus.ErrInvalid) {
		t.Error(err)
	}
	if _, err := (bus.Topic[event]{Name: "a"}).Msg(t.Context(), "", event{}); !errors.Is(err, bus.ErrInvalid) {
		t.Error(err)
	}
	if _, err := (bus.Topic[string]{Name: "a.b"}).Msg(t.Context(), "", strings.Repeat("x", bus.MaxData)); !errors.Is(err, bus.ErrTooLarge) {
		t.Error(err)
	}
}

func TestWhatLedToAMessage(t *testing.T) {
	topic := bus.Topic[event]{Name: "a.b"}
	made := func(ctx context.Context) bus.Msg {
		m, err := topic.Msg(ctx, "", event{})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	state, err := trace.ParseTraceState("a=1")
	if err != nil {
		t.Fatal(err)
	}
	traced := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, TraceState: state,
	}))
	m := made(traced)
	if m.TraceParent != "00-01000000000000000000000000000000-0200000000000000-01" || m.TraceState != "a=1" || m.Correlation != "01000000000000000000000000000000" {
		t.Errorf("of a request: %+v", m)
	}
	cause := bus.Delivery{Msg: m}
	if n := made(bus.WithDelivery(traced, cause)); n.Causation != m.ID || n.Correlation != m.Correlation {
		t.Errorf("of a message: %+v", n)
	}
	cause.Correlation = ""
	if n := made(bus.WithDelivery(t.Context(), cause)); n.Causation != m.ID || n.Correlation != m.ID {
		t.Errorf("of the first message: %+v", n)
	}
	if _, ok := bus.FromContext(t.Context()); ok {
		t.Error("a bare context has a message")
	}
}

func TestTopicsAndPatterns(t *testing.T) {
	for name, ok := range map[string]bool{
		"orders.placed": true, "a.b": true, "a.b.c.d.e.f.g.h": true, "a1.b-c_d": true,
		"orders": false, "a.b.c.d.e.f.g.h.i": false, "a..b": false, ".a.b": false, "a.b.": false, "A.b": false, "1.b": false,
		"a.1": false, "a.b c": false, "a.>": false, "": false, strings.Repeat("a", 99) + ".b": false, "a.ü": false,
	} {
		if err := bus.ValidTopic(name); (err == nil) != ok {
			t.Errorf("topic %q: %v", name, err)
		}
		if err := bus.ValidPattern(name); (err == nil) != ok {
			t.Errorf("pattern %q: %v", name, err)
		}
	}
	for name, ok := range map[string]bool{"a.*": true, "a.*.b": true, "a.*.*": true, "*.a": false, "*": false, "a.*b": false, "a.**": false} {
		if err := bus.ValidPattern(name); (err == nil) != ok {
			t.Errorf("pattern %q: %v", name, err)
		}
		if bus.ValidTopic(name) == nil {
			t.Errorf("the pattern %q is a topic", name)
		}
	}
	for _, x := range []struct {
		pattern, topic string
		want           bool
	}{
		{"a.*", "a.b", true},
		{"a.*", "a.b.c", false},
		{"a.*", "b.b", false},
		{"a.*.c", "a.b.c", true},
		{"a.*.c", "a.b.d", false},
		{"a.b", "a.b", true},
	} {
		if bus.Matches(x.pattern, x.topic) != x.want {
			t.Errorf("%s and %s", x.pattern, x.topic)
		}
	}
}

func TestSubscriptionsAreNormalized(t *testing.T) {
	s, err := bus.Subscription{Group: "g-1", Topics: []string{"b.x", "a.*", "a.c", "a.b", "b.x", "a.*.c", "a.b.c"}}.Normalized()
	if err != nil || strings.Join(s.Topics, " ") != "a.* a.*.c b.x" {
		t.Errorf("%v, %v", s.Topics, err)
	}
	for _, s := range []bus.Subscription{
		{Group: "", Topics: []string{"a.b"}},
		{Group: "-g", Topics: []string{"a.b"}},
		{Group: "g-", Topics: []string{"a.b"}},
		{Group: "g_h", Topics: []string{"a.b"}},
		{Group: "g"},
		{Group: "g", Topics: []string{"a"}},
		{Group: "g", Topics: []string{"a.*.c", "a.b.*"}},
	} {
		if _, err := s.Normalized(); !errors.Is(err, bus.ErrInvalid) {
			t.Errorf("%v: %v", s, err)
		}
	}
}

func TestBackoff(t *testing.T) {
	for range 100 {
		for failures, most := range map[int]time.Duration{
			-1: 100 * time.Millisecond, 0: 100 * time.Millisecond, 1: 100 * time.Millisecond, 2: 200 * time.Millisecond,
			5: 1600 * time.Millisecond, 10: 30 * time.Second, 1 << 40: 30 * time.Second,
		} {
			if d := (bus.Backoff{}).After(failures); d < most/2 || d > most {
				t.Errorf("after %d: %v, want at most %v", failures, d, most)
			}
		}
	}
	if d := (bus.Backoff{First: time.Minute}).After(3); d > time.Minute {
		t.Errorf("most is less than first: %v", d)
	}
}

func TestFinal(t *testing.T) {
	cause := errors.New("x")
	err := bus.Final(cause)
	if !bus.IsFinal(err) || !errors.Is(err, cause) || err.Error() != "x" || bus.IsFinal(cause) || bus.IsFinal(nil) || bus.Final(nil) != nil {
		t.Error(err)
	}
}
