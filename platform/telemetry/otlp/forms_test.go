package otlp_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/otlp/encode"
	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

func TestJSON(t *testing.T) {
	var k keeper
	r := receiver(&k)
	var forwarded []byte
	r.Forward = func(sig string, body []byte) { forwarded = append([]byte(sig+":"), body...) }
	now := fmt.Sprint(noon.UnixNano())
	body := `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"mail"}}]},"scopeLogs":[{"logRecords":[
		{"timeUnixNano":"` + now + `","severityNumber":9,"body":{"stringValue":"sent"},"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"},
		{"body":{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"1"}}]}}},
		{"timeUnixNano":"1"}]}]}]}`
	res, answer := post(t, r.Handler(), "/v1/logs", []byte(body), "Content-Type", "application/json")
	if want := `{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"1 of 3 logs were left out: 1 clock"}}`; res.StatusCode != 200 || string(answer) != want {
		t.Errorf("%s: %s", res.Status, answer)
	}
	_, logs := k.kept()
	if len(logs) != 2 || logs[0].Body != "sent" || logs[0].Severity != signal.SeverityInfo || logs[0].Trace.String() != "5b8efff798038103d269b633813fc60c" ||
		logs[1].Body != `{"a":1}` || logs[1].Time != noon.UnixNano() {
		t.Errorf("kept %+v", logs)
	}
	n := 0
	sig, rest, _ := strings.Cut(string(forwarded), ":")
	if err := wire.Records(rest, wire.Limits{Value: 1000, List: 10}, func(*signal.Log, wire.Meta) { n++ }); err != nil || n != 3 || sig != otlp.Logs {
		t.Errorf("forwarded %s with %d records, %v", sig, n, err)
	}
	if _, answer = post(t, r.Handler(), "/v1/traces", []byte("{}"), "Content-Type", "application/json"); string(answer) != "{}" {
		t.Errorf("nothing: %s", answer)
	}
}

func TestEncodedComesBack(t *testing.T) {
	var k keeper
	r := receiver(&k)
	at := noon.UnixNano()
	attrs := signal.Attributes{
		{Key: "s", Value: signal.StringValue("x")},
		{Key: "i", Value: signal.IntValue(-5)},
		{Key: "f", Value: signal.FloatValue(1.5)},
		{Key: "b", Value: signal.BoolValue(true)},
		{Key: "j", Value: signal.JSONValue(`{"a":[1,"2",null,2.5,false]}`)},
	}
	logs := []signal.Log{
		{
			Time: at, Service: "shop", Severity: signal.SeverityWarn, Body: "b", Trace: signal.TraceID{1}, Span: signal.SpanID{2}, Attributes: attrs,
			Resource: signal.Attributes{{Key: "service.instance.id", Value: signal.StringValue("shop-1")}}, Scope: "stdout",
		},
	}
	spans := []signal.Span{
		{
			Trace: signal.TraceID{1}, ID: signal.SpanID{2}, Parent: signal.SpanID{3}, Service: "shop", Name: "n", Kind: signal.Client, Status: signal.Error, Message: "m",
			Start: at, Duration: 5, Attributes: attrs, Resource: signal.Attributes{{Key: "zone", Value: signal.StringValue("z")}}, Scope: "sc", State: "ot=th:8", Remote: true,
			Events: []signal.Event{{Time: at, Name: "e", Attributes: attrs}}, Links: []signal.Link{{Trace: signal.TraceID{9}, Span: signal.SpanID{8}, Attributes: attrs}},
		},
	}
	post(t, r.Handler(), "/v1/logs", encode.Logs("shop", "shop-1", logs))
	post(t, r.Handler(), "/v1/traces", zipped(t, encode.Spans(spans)), "Content-Encoding", "gzip")
	gotSpans, gotLogs := k.kept()
	if !reflect.DeepEqual(gotSpans, spans) {
		t.Errorf("spans\n%+v\nwant\n%+v", gotSpans, spans)
	}
	if !reflect.DeepEqual(gotLogs, logs) {
		t.Errorf("logs\n%+v\nwant\n%+v", gotLogs, logs)
	}
}

func FuzzReceiver(f *testing.F) {
	f.Add("traces", raw(f, traces("shop", span(1))), false)
	f.Add("logs", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`), true)
	f.Add("metrics", []byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"gauge":{"dataPoints":[{}]}}]}]}]}`), true)
	f.Fuzz(func(t *testing.T, sig string, body []byte, asJSON bool) {
		if sig != otlp.Traces && sig != otlp.Logs && sig != otlp.Metrics {
			return
		}
		var k keeper
		r := receiver(&k)
		r.Metrics = func(context.Context, *collectmetrics.ExportMetricsServiceRequest) (int64, string, error) {
			return 0, "", nil
		}
		form := pb
		if asJSON {
			form = "application/json"
		}
		if res, answer := post(t, r.Handler(), "/v1/"+sig, body, "Content-Type", form); res.StatusCode >= 500 {
			t.Errorf("%s: %s", res.Status, answer)
		}
		balanced(t, r.Counts())
	})
}
