package otlp_test

import (
	"context"
	"fmt"
	"testing"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// thousand is a request of 1,000 spans with 12 attributes each.
func thousand(b *testing.B) []byte {
	spans := make([]*tracepb.Span, 1000)
	for i := range spans {
		spans[i] = span(i + 1)
		for k := range 12 {
			spans[i].Attributes = append(spans[i].Attributes, &commonpb.KeyValue{Key: fmt.Sprintf("attribute.name.%d", k), Value: str(fmt.Sprintf("the value %d of %d", k, i))})
		}
	}
	return raw(b, traces("shop", spans...))
}

// BenchmarkDecode compares the walker with the protobuf library, for a span each.
func BenchmarkDecode(b *testing.B) {
	body := thousand(b)
	b.Run("walker", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; i += 1000 {
			all := make([]signal.Span, 0, 1000)
			if err := wire.Spans(string(body), wire.Limits{Value: 1 << 16, List: 128}, func(s *signal.Span, _ wire.Meta) { all = append(all, *s) }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("protobuf", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; i < b.N; i += 1000 {
			var req collecttrace.ExportTraceServiceRequest
			if err := proto.Unmarshal(body, &req); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("receiver", func(b *testing.B) {
		b.ReportAllocs()
		r := receiver(&keeper{})
		r.Sink = func(context.Context, signal.Batch) error { return nil }
		h := r.Handler()
		for i := 0; i < b.N; i += 1000 {
			post(b, h, "/v1/"+otlp.Traces, body)
		}
		b.SetBytes(int64(len(body) / 1000))
	})
}
