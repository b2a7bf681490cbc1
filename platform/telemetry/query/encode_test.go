package query

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// What is written by hand reads as what encoding/json writes of the types.
func TestATraceIsEncodedAsItsType(t *testing.T) {
	value := rapid.OneOf(
		rapid.Map(rapid.String(), signal.StringValue), rapid.Map(rapid.Int64(), signal.IntValue), rapid.Map(rapid.Float64(), signal.FloatValue),
		rapid.Map(rapid.Bool(), signal.BoolValue), rapid.Map(rapid.SampledFrom([]string{`[1,"x"]`, `{"a":null}`, `broken`}), signal.JSONValue),
		rapid.Just(signal.FloatValue(math.NaN())))
	attributes := rapid.Map(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) signal.Attribute {
		return signal.Attribute{Key: rapid.OneOf(rapid.SampledFrom([]string{"a", "b"}), rapid.String()).Draw(t, "key"), Value: value.Draw(t, "value")}
	}), 0, 5), func(list []signal.Attribute) signal.Attributes { return list })
	time := rapid.Int64Range(0, 1<<52) // of what a float64 of ms holds exactly enough to compare
	rapid.Check(t, func(t *rapid.T) {
		var spans []signal.Span
		for i := range rapid.IntRange(1, 5).Draw(t, "spans") {
			s := signal.Span{
				Trace: signal.TraceID{1}, ID: signal.SpanID{byte(i + 1)}, Parent: signal.SpanID{byte(rapid.IntRange(0, i+1).Draw(t, "parent"))},
				Service: rapid.String().Draw(t, "service"), Name: rapid.String().Draw(t, "name"), Kind: signal.Kind(rapid.IntRange(0, 5).Draw(t, "kind")),
				Status: signal.Status(rapid.IntRange(0, 2).Draw(t, "status")), Message: rapid.String().Draw(t, "message"), Scope: rapid.String().Draw(t, "scope"),
				Start: time.Draw(t, "start"), Duration: time.Draw(t, "duration"), Attributes: attributes.Draw(t, "attributes"), Resource: attributes.Draw(t, "resource"),
			}
			if rapid.Bool().Draw(t, "more") {
				s.Events = []signal.Event{{Time: time.Draw(t, "time"), Name: rapid.String().Draw(t, "event"), Attributes: attributes.Draw(t, "of event")}, {}}
				s.Links = []signal.Link{{Trace: signal.TraceID{2}, Span: signal.SpanID{3}}, {}}
			}
			spans = append(spans, s)
		}
		live := NewLive(nil)
		live.back.add(signal.Link{Trace: signal.TraceID{1}, Span: signal.SpanID{1}}, Link{Trace: signal.TraceID{7}})
		built := tree.Build(spans)
		var got bytes.Buffer
		if err := writeTrace(&got, Summarize(spans), built, live); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(typed(Summarize(spans), built, live))
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := json.Unmarshal(got.Bytes(), &a); err != nil {
			t.Fatalf("%v in %s", err, got.Bytes())
		}
		if err := json.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("\n got %s\nwant %s", got.Bytes(), want)
		}
	})
}

// typed makes the types that writeTrace spares.
func typed(s Summary, t *tree.Tree, live *Live) Trace {
	out := Trace{Summary: s, Skewed: t.Skewed, Tree: []Span{}, Critical: []Piece{}}
	exact := func(ns int64) (v float64) { _ = json.Unmarshal(appendMS(nil, ns), &v); return v }
	for _, n := range t.Nodes {
		span := Span{
			ID: n.ID, Parent: n.Parent, Depth: n.Depth, Missing: n.Missing, Service: n.Service, Name: n.Name, Kind: n.Kind.String(), Error: n.Status == signal.Error,
			Message: n.Message, Start: exact(n.Start), Duration: exact(n.Duration), Own: exact(n.Own), Moved: exact(n.Moved), Attributes: n.Attributes, Resource: n.Resource,
			Scope: n.Scope, LinkedBy: live.linkedBy(n.Trace, n.ID),
		}
		for _, e := range n.Events {
			span.Events = append(span.Events, Event{exact(e.Time), e.Name, e.Attributes})
		}
		for _, l := range n.Links {
			span.Links = append(span.Links, Link{l.Trace, l.Span})
		}
		out.Tree = append(out.Tree, span)
	}
	for _, p := range t.Critical {
		out.Critical = append(out.Critical, Piece{p.Node.ID, exact(p.From), exact(p.Until)})
	}
	return out
}

func TestMilliseconds(t *testing.T) {
	for ns, want := range map[int64]string{0: "0", 1: "0.000001", 1e6: "1", 15e5: "1.5", -1500: "-0.0015", 1772366220123456789: "1772366220123.456789", math.MinInt64: "-9223372036854.775807"} {
		if got := string(appendMS(nil, ns)); got != want {
			t.Errorf("%d: %s, want %s", ns, got, want)
		}
	}
}

// Links are remembered by the ten thousands, not for ever.
func TestBacklinksAreBounded(t *testing.T) {
	var b backlinks
	for n := range uint64(100_000) {
		var to signal.Link
		binary.BigEndian.PutUint64(to.Trace[:], n)
		b.add(to, Link{Trace: signal.TraceID{15: 1}})
	}
	if len(b.by) != len(b.order) || len(b.by) > mostBacked {
		t.Errorf("%d targets, %d in order", len(b.by), len(b.order))
	}
}

func BenchmarkTrace(b *testing.B) {
	spans := make([]signal.Span, 100_000)
	for i := range spans {
		s := &spans[i]
		s.Trace, s.Service, s.Name, s.Start, s.Duration = signal.TraceID{1}, "orders", "GET /v1/products/{id}", int64(i)*1e3, 1e8
		binary.BigEndian.PutUint64(s.ID[:], uint64(i+1))
		binary.BigEndian.PutUint64(s.Parent[:], uint64(i/10))
		for k := range 12 {
			s.Attributes = append(s.Attributes, signal.Attribute{Key: fmt.Sprint("key.", k), Value: signal.StringValue("value")})
		}
	}
	built, summary := tree.Build(spans), Summarize(spans)
	b.ResetTimer()
	for b.Loop() {
		_ = writeTrace(io.Discard, summary, built, nil)
	}
}
