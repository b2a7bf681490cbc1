package translate

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// What a point may have: more is not what labels are for.
const (
	longestName  = 256  // bytes
	longestValue = 4096 // bytes
	mostLabels   = 64
)

// point is what all points of OTLP have.
type point interface {
	GetAttributes() []*commonpb.KeyValue
	GetTimeUnixNano() uint64
	GetStartTimeUnixNano() uint64
	GetFlags() uint32
}

// resource finds out who sends.
func (t *Translator) resource(res *resourcepb.Resource, now time.Time) *resource {
	r := &resource{t: t, now: now, service: "unknown_service", ls: labels.NewScratchBuilder(16)}
	namespace := ""
	for _, a := range res.GetAttributes() {
		switch a.GetKey() {
		case "service.name":
			if s := text(a.GetValue()); s != "" {
				r.service = cut(s, longestName)
			}
		case "service.namespace":
			namespace = cut(text(a.GetValue()), longestName)
		case "service.instance.id":
			r.inst = cut(text(a.GetValue()), longestName)
		}
	}
	r.job = r.service
	if namespace != "" && namespace != t.cfg.Namespace {
		r.service = namespace + "/" + r.service
		r.job = r.service
	}
	return r
}

// target yields target_info: the attributes of the resource that job and instance do
// not have.
func (r *resource) target(res *resourcepb.Resource) bool {
	if r.latest == 0 {
		return false
	}
	var rest []*commonpb.KeyValue
	for _, a := range res.GetAttributes() {
		switch a.GetKey() {
		case "service.name", "service.namespace", "service.instance.id":
		default:
			if v := text(a.GetValue()); len(v) <= longestValue && len(rest) < mostLabels && len(a.GetKey()) <= longestName {
				rest = append(rest, a)
			}
		}
	}
	if len(rest) == 0 || r.attributes(rest) != "" {
		return false
	}
	r.family = "target_info"
	r.yield(&sample.Point{Service: r.service, Metric: r.family, Extra: true, Samples: []sample.Sample{
		{Labels: r.labels(r.family), Time: r.latest, Value: 1},
	}})
	return true
}

// attributes makes a point's labels of its attributes; it says why when it cannot.
func (r *resource) attributes(list []*commonpb.KeyValue) (why string) {
	r.attrs = r.attrs[:0]
	if len(list) > mostLabels {
		return fmt.Sprintf("a point has more than %d attributes", mostLabels)
	}
	if len(list) > 1 && !slices.IsSortedFunc(list, byKey) { // of those that get one name the values are joined by their order
		list = slices.Clone(list)
		slices.SortStableFunc(list, byKey)
	}
	namer := otlptranslator.LabelNamer{}
	for _, a := range list {
		v := text(a.GetValue())
		if v == "" { // for Prometheus a label that is empty is none
			continue
		}
		name, err := namer.Build(a.GetKey())
		switch {
		case err != nil:
			return "an attribute's name has no letter or digit"
		case len(name) > longestName:
			return fmt.Sprintf("an attribute's name is longer than %d bytes", longestName)
		case len(v) > longestValue:
			return fmt.Sprintf("the attribute %s is longer than %d bytes", a.GetKey(), longestValue)
		case name == model.MetricNameLabel || name == "job" || name == "instance":
			name = "exported_" + strings.TrimLeft(name, "_")
		}
		if i := slices.IndexFunc(r.attrs, func(l labels.Label) bool { return l.Name == name }); i >= 0 {
			r.attrs[i].Value += ";" + v
			continue
		}
		r.attrs = append(r.attrs, labels.Label{Name: name, Value: v})
	}
	return ""
}

func byKey(a, b *commonpb.KeyValue) int { return strings.Compare(a.GetKey(), b.GetKey()) }

// labels returns the labels of a series of the point.
func (r *resource) labels(name string, extra ...string) labels.Labels {
	r.ls.Reset()
	r.ls.Add(model.MetricNameLabel, name)
	r.ls.Add("job", r.job)
	if r.inst != "" {
		r.ls.Add("instance", r.inst)
	}
	for _, l := range r.attrs {
		if len(extra) == 0 || l.Name != extra[0] {
			r.ls.Add(l.Name, l.Value)
		}
	}
	if len(extra) == 2 {
		r.ls.Add(extra[0], extra[1])
	}
	r.ls.Sort()
	return r.ls.Labels()
}

// text is a value as a label has it.
func text(v *commonpb.AnyValue) string {
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return strings.ToValidUTF8(x.StringValue, "\uFFFD")
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(x.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		return strconv.FormatFloat(x.DoubleValue, 'g', -1, 64)
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(x.BoolValue)
	case nil:
		return ""
	}
	b, err := json.Marshal(plain(v, 0))
	if err != nil { // a number that JSON does not have
		return fmt.Sprint(plain(v, 0))
	}
	return string(b)
}

// deepest bounds how deep a value may lie in others: what is deeper is left out.
const deepest = 16

// plain is a value as JSON has it.
func plain(v *commonpb.AnyValue, depth int) any {
	if depth > deepest {
		return nil
	}
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return x.StringValue
	case *commonpb.AnyValue_IntValue:
		return x.IntValue
	case *commonpb.AnyValue_DoubleValue:
		return x.DoubleValue
	case *commonpb.AnyValue_BoolValue:
		return x.BoolValue
	case *commonpb.AnyValue_BytesValue:
		return base64.StdEncoding.EncodeToString(x.BytesValue)
	case *commonpb.AnyValue_ArrayValue:
		list := make([]any, 0, len(x.ArrayValue.GetValues()))
		for _, e := range x.ArrayValue.GetValues() {
			list = append(list, plain(e, depth+1))
		}
		return list
	case *commonpb.AnyValue_KvlistValue:
		m := make(map[string]any, len(x.KvlistValue.GetValues()))
		for _, e := range x.KvlistValue.GetValues() {
			m[e.GetKey()] = plain(e.GetValue(), depth+1)
		}
		return m
	}
	return nil
}

// cut returns the start of a text, not more than n bytes, whole characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// exemplarOf translates an exemplar: its trace first, of the rest what OpenMetrics'
// limit of characters lets in.
func exemplarOf(e *metricspb.Exemplar) exemplar.Exemplar {
	room := exemplar.ExemplarMaxLabelSetLength
	ls := labels.NewScratchBuilder(4)
	add := func(name, value string) {
		if n := len([]rune(name)) + len([]rune(value)); n <= room {
			room -= n
			ls.Add(name, value)
		}
	}
	if id := e.GetTraceId(); len(id) == 16 {
		add("trace_id", fmt.Sprintf("%x", id))
	}
	if id := e.GetSpanId(); len(id) == 8 {
		add("span_id", fmt.Sprintf("%x", id))
	}
	namer := otlptranslator.LabelNamer{}
	seen := map[string]bool{"trace_id": true, "span_id": true}
	for _, a := range e.GetFilteredAttributes() {
		name, err := namer.Build(a.GetKey())
		if v := text(a.GetValue()); err == nil && v != "" && !seen[name] {
			seen[name] = true
			add(name, v)
		}
	}
	ls.Sort()
	ex := exemplar.Exemplar{Labels: ls.Labels(), Ts: int64(e.GetTimeUnixNano() / 1_000_000), HasTs: e.GetTimeUnixNano() != 0} //nolint:gosec // see at
	switch v := e.GetValue().(type) {
	case *metricspb.Exemplar_AsInt:
		ex.Value = float64(v.AsInt)
	case *metricspb.Exemplar_AsDouble:
		ex.Value = v.AsDouble
	}
	return ex
}
