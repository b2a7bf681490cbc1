package encode_test

import (
	"fmt"
	"testing"
	"time"

	collectlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp/encode"
	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// What a program printed becomes a request that any OTLP backend takes.
func ExampleLogs() {
	body := encode.Logs("shop", "shop-1", []signal.Log{{Time: time.Unix(1_700_000_000, 0).UnixNano(), Severity: signal.SeverityWarn, Body: "out of tea"}})
	err := wire.Records(string(body), wire.Limits{Value: 1000, List: 10}, func(l *signal.Log, _ wire.Meta) {
		fmt.Println(l.Service, l.Resource.Text("service.instance.id"), l.Severity, l.Body)
	})
	fmt.Println(err)
	// Output:
	// shop shop-1 warn out of tea
	// <nil>
}

// Texts that are no UTF-8, records of several scopes and an unknown instance are fine.
func TestLogs(t *testing.T) {
	body := encode.Logs("shop", "", []signal.Log{
		{Body: "a\xff", Scope: "stdout", Attributes: signal.Attributes{{Key: "k\xff", Value: signal.StringValue("\xfe")}}},
		{Body: "b", Scope: "stderr"},
		{Body: "c", Scope: "stdout"},
	})
	var req collectlogs.ExportLogsServiceRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		t.Fatal(err)
	}
	rl := req.ResourceLogs[0]
	if len(rl.Resource.Attributes) != 1 || len(rl.ScopeLogs) != 2 || len(rl.ScopeLogs[0].LogRecords) != 2 {
		t.Fatalf("made %v", &req)
	}
	if l := rl.ScopeLogs[0].LogRecords[0]; l.Body.GetStringValue() != "a\uFFFD" || l.Attributes[0].Key != "k\uFFFD" || l.TraceId != nil {
		t.Errorf("made %v", l)
	}
	if n, _, err := wire.Count(wire.Traces, string(encode.Spans(nil))); n != 0 || err != nil {
		t.Errorf("nothing has %d spans, %v", n, err)
	}
}
