package jaeger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The messages of OTLP in its JSON form (opentelemetry-proto, "JSON Protobuf Encoding"):
// ids in hexadecimal, 64-bit numbers as texts, enums as numbers.
type (
	resultV3 struct {
		Result tracesData `json:"result"`
	}
	tracesData struct {
		Resources []*resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource resource      `json:"resource"`
		Scopes   []*scopeSpans `json:"scopeSpans"`
	}
	resource struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope scope    `json:"scope"`
		Spans []spanV3 `json:"spans"`
	}
	scope struct {
		Name string `json:"name,omitempty"`
	}
	spanV3 struct {
		Trace      string     `json:"traceId"`
		ID         string     `json:"spanId"`
		State      string     `json:"traceState,omitempty"`
		Parent     string     `json:"parentSpanId,omitempty"`
		Name       string     `json:"name"`
		Kind       int        `json:"kind,omitempty"`
		Start      string     `json:"startTimeUnixNano"`
		End        string     `json:"endTimeUnixNano"`
		Attributes []keyValue `json:"attributes,omitempty"`
		Events     []eventV3  `json:"events,omitempty"`
		Links      []linkV3   `json:"links,omitempty"`
		Status     statusV3   `json:"status"`
	}
	eventV3 struct {
		Time       string     `json:"timeUnixNano"`
		Name       string     `json:"name"`
		Attributes []keyValue `json:"attributes,omitempty"`
	}
	linkV3 struct {
		Trace      string     `json:"traceId"`
		Span       string     `json:"spanId"`
		Attributes []keyValue `json:"attributes,omitempty"`
	}
	statusV3 struct {
		Message string `json:"message,omitempty"`
		Code    int    `json:"code,omitempty"`
	}
	keyValue struct {
		Key   string `json:"key"`
		Value any    `json:"value"`
	}
)

func (a *api) servicesV3(*http.Request) (any, error) {
	return map[string]any{"services": a.servicesOf()}, nil
}

func (a *api) operationsV3(r *http.Request) (any, error) {
	v := r.URL.Query()
	operations, err := a.operationsOf(r.Context(), v.Get("service"), cmp.Or(v.Get("spanKind"), v.Get("span_kind")))
	return map[string]any{"operations": operations}, err
}

func (a *api) traceV3(r *http.Request) (any, error) {
	spans, err := a.one(r)
	return resultV3{newTracesData([][]signal.Span{spans})}, err
}

func (a *api) tracesV3(r *http.Request) (any, error) {
	s, err := a.searchV3(r.URL.Query())
	if err != nil {
		return nil, err
	}
	found, err := a.find(r.Context(), s)
	return resultV3{newTracesData(found)}, err
}

// newTracesData groups spans by trace, resource and scope.
func newTracesData(traces [][]signal.Span) tracesData {
	out := tracesData{Resources: []*resourceSpans{}}
	for _, spans := range traces {
		resources, scopes := map[string]*resourceSpans{}, map[string]*scopeSpans{}
		for i := range spans {
			s := &spans[i]
			same := s.Service + "\x00" + fmt.Sprint(s.Resource)
			r := resources[same]
			if r == nil {
				r = &resourceSpans{Resource: resource{append([]keyValue{{"service.name", text(s.Service)}}, keyValues(s.Resource)...)}}
				resources[same] = r
				out.Resources = append(out.Resources, r)
			}
			same += "\x00" + s.Scope
			c := scopes[same]
			if c == nil {
				c = &scopeSpans{Scope: scope{s.Scope}}
				scopes[same] = c
				r.Scopes = append(r.Scopes, c)
			}
			c.Spans = append(c.Spans, newSpanV3(s))
		}
	}
	return out
}

func newSpanV3(s *signal.Span) spanV3 {
	nano := func(ns int64) string { return strconv.FormatInt(ns, 10) }
	out := spanV3{
		Trace: s.Trace.String(), ID: s.ID.String(), State: s.State, Name: s.Name, Kind: int(s.Kind), Start: nano(s.Start), End: nano(s.End()),
		Attributes: keyValues(s.Attributes), Status: statusV3{Message: s.Message, Code: int(s.Status)},
	}
	if !s.Parent.IsZero() {
		out.Parent = s.Parent.String()
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, eventV3{nano(e.Time), e.Name, keyValues(e.Attributes)})
	}
	for _, l := range s.Links {
		out.Links = append(out.Links, linkV3{l.Trace.String(), l.Span.String(), keyValues(l.Attributes)})
	}
	return out
}

func keyValues(attributes signal.Attributes) []keyValue {
	out := make([]keyValue, 0, len(attributes))
	for _, at := range attributes {
		out = append(out, keyValue{at.Key, anyValue(at.Value)})
	}
	return out
}

func text(s string) any { return map[string]any{"stringValue": s} }

// anyValue returns OTLP's AnyValue.
func anyValue(v signal.Value) any {
	switch v.Type {
	case signal.Int:
		return map[string]any{"intValue": v.String()}
	case signal.Float:
		return map[string]any{"doubleValue": v} // of what is no number: a text, as protobuf has it
	case signal.Bool:
		return map[string]any{"boolValue": v}
	case signal.JSON:
		d := json.NewDecoder(bytes.NewReader([]byte(v.Text)))
		d.UseNumber()
		var decoded any
		if d.Decode(&decoded) == nil {
			return ofJSON(decoded)
		}
	case signal.String:
	}
	return text(v.Text)
}

// ofJSON returns the AnyValue of decoded JSON.
func ofJSON(v any) any {
	switch v := v.(type) {
	case nil:
		return map[string]any{}
	case bool:
		return map[string]any{"boolValue": v}
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return map[string]any{"intValue": v.String()}
		}
		return map[string]any{"doubleValue": v}
	case []any:
		values := []any{}
		for _, e := range v {
			values = append(values, ofJSON(e))
		}
		return map[string]any{"arrayValue": map[string]any{"values": values}}
	case map[string]any:
		values := []keyValue{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			values = append(values, keyValue{k, ofJSON(v[k])})
		}
		return map[string]any{"kvlistValue": map[string]any{"values": values}}
	}
	return text(fmt.Sprint(v))
}
