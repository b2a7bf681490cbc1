package row

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

func someSpans() []signal.Span {
	resource := signal.Attributes{{Key: "pid", Value: signal.IntValue(7)}}
	return []signal.Span{
		{Trace: signal.TraceID{1}, ID: signal.SpanID{2}, Service: "a", Name: "n", Resource: resource, Scope: "s", Start: 5, Duration: 6},
		{
			Trace: signal.TraceID{1}, ID: signal.SpanID{3}, Parent: signal.SpanID{2}, Service: "a", Kind: signal.Client, Status: signal.Error,
			Message: "m", State: "ot=th:8", Remote: true, Resource: resource, Start: -5,
			Attributes: signal.Attributes{{Key: "t", Value: signal.StringValue("v")}, {Key: "f", Value: signal.FloatValue(1.5)}, {Key: "j", Value: signal.JSONValue("[]")}},
			Events:     []signal.Event{{Time: 1, Name: "e"}}, Links: []signal.Link{{Span: signal.SpanID{4}}},
		},
		{Service: "a", Resource: signal.Attributes{{Key: "pid", Value: signal.IntValue(8)}}},
	}
}

func TestSections(t *testing.T) {
	list := someSpans()
	var enc Encoder
	b := enc.Append(nil, Spans, "a", len(list), func(i int) *signal.Span { return &list[i] })
	b = enc.Append(b, Logs, "b", 1, func(int) *signal.Span { return &list[0] })
	sec, rest, err := Next(b)
	if err != nil || sec.Len != 3 || sec.Service != "a" {
		t.Fatalf("%+v, %v", sec, err)
	}
	var rows Rows
	for range 2 {
		if err := rows.Add(sec, 1); err != nil {
			t.Fatal(err)
		}
	}
	if len(rows.Fixed) != 4 || len(rows.Origins) != 3 {
		t.Fatalf("%d rows, %d origins", len(rows.Fixed), len(rows.Origins))
	}
	for i := range rows.Fixed {
		if got, want := rows.Span(i, "a", false), list[1+i%2]; !reflect.DeepEqual(got, want) {
			t.Errorf("row %d is %+v, want %+v", i, got, want)
		}
	}
	if sec, rest, err = Next(rest); err != nil || sec.Signal != Logs || sec.Service != "b" || len(rest) > 0 {
		t.Errorf("%+v, %d bytes, %v", sec, len(rest), err)
	}
}

// Resources, of which each request may bring another, count as memory too.
func TestMemory(t *testing.T) {
	var rows Rows
	const each = 1 << 12
	for i := range 10 {
		s := signal.Span{Resource: signal.Attributes{{Key: "n", Value: signal.StringValue(strings.Repeat(string(rune('a'+i)), each))}}}
		var enc Encoder
		sec, _, err := Next(enc.Append(nil, Spans, "a", 1, func(int) *signal.Span { return &s }))
		if err == nil {
			err = rows.Add(sec, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := rows.Memory(); n < 10*each {
		t.Errorf("%d bytes, want at least %d", n, 10*each)
	}
}

func TestNumber(t *testing.T) {
	for _, v := range []signal.Value{
		signal.IntValue(0), signal.IntValue(math.MinInt64), signal.FloatValue(0.1), signal.FloatValue(math.Inf(-1)), signal.FloatValue(math.NaN()),
		signal.FloatValue(math.Copysign(0, -1)), signal.FloatValue(1e100), signal.BoolValue(true), signal.BoolValue(false),
	} {
		if n, ok := Number(v.Type, v.String()); !ok || n != canonical(v) {
			t.Errorf("%s is read as %x, %v; want %x", v, n, ok, v.Number)
		}
	}
	for _, text := range []string{"", "01", "1.50", "nan", "True", "0x1", "1e5"} {
		for _, typ := range []signal.Type{signal.Int, signal.Float, signal.Bool, signal.String} {
			if n, ok := Number(typ, text); ok {
				t.Errorf("%q is read as %d of type %d, which is not written so", text, n, typ)
			}
		}
	}
}

// FuzzSection takes anything apart without a panic.
func FuzzSection(f *testing.F) {
	list := someSpans()
	var enc Encoder
	f.Add(enc.Append(nil, Spans, "a", len(list), func(i int) *signal.Span { return &list[i] }))
	f.Fuzz(func(t *testing.T, b []byte) {
		sec, _, err := Next(b)
		if err != nil {
			return
		}
		var rows Rows
		_ = rows.Add(sec, 0)
		if len(rows.Fixed) > sec.Len {
			t.Fatalf("%d rows of a section of %d", len(rows.Fixed), sec.Len)
		}
		for i := range rows.Fixed {
			rows.Span(i, "a", i%2 == 0)
		}
	})
}
