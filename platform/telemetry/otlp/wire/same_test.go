package wire

import (
	"fmt"
	"reflect"
	"testing"

	collectlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

func TestWalkerAgreesWithProtobuf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, err := proto.Marshal(drawTraces(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := sameSpans(raw); err != nil {
			t.Fatal(err)
		}
		if raw, err = proto.Marshal(drawLogs(t)); err != nil {
			t.Fatal(err)
		}
		if err := sameLogs(raw); err != nil {
			t.Fatal(err)
		}
	})
}

func sameSpans(raw []byte) error {
	var req collecttrace.ExportTraceServiceRequest
	want := proto.Unmarshal(raw, &req)
	var got []oracleSpan
	err := Spans(string(raw), wide, func(s *signal.Span, m Meta) {
		got = append(got, oracleSpan{span: *s, badID: m.BadID, end: m.End}.bare())
	})
	if n, _, cerr := Count(Traces, string(raw)); err == nil && (cerr != nil || n != int64(len(got))) {
		return fmt.Errorf("counted %d, %w; read %d", n, cerr, len(got))
	}
	return same(got, oracleSpans(&req), err, want)
}

func sameLogs(raw []byte) error {
	var req collectlogs.ExportLogsServiceRequest
	want := proto.Unmarshal(raw, &req)
	var got []signal.Log
	err := Records(string(raw), wide, func(l *signal.Log, _ Meta) { got = append(got, *l) })
	return same(got, oracleLogs(&req), err, want)
}

func same[T any](got, want []T, err, wantErr error) error {
	switch {
	case wantErr != nil:
		return nil //nolint:nilerr // then anything goes
	case err != nil:
		return fmt.Errorf("the walker refuses what the library reads: %w", err)
	case len(got) == 0 && len(want) == 0 || reflect.DeepEqual(got, want):
		return nil
	}
	return fmt.Errorf("read\n%+v\nwant\n%+v", got, want)
}

func seeds(f *testing.F) {
	f.Helper()
	gen := rapid.Custom(drawTraces)
	logs := rapid.Custom(drawLogs)
	for i := range 20 {
		raw, err := proto.Marshal(gen.Example(i))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		if raw, err = proto.Marshal(logs.Example(i)); err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("\x0b\x0c"))                             // a group
	f.Add([]byte("\x0a\x02\x12\x00\x0a\xff\xff\xff\x7f")) // a length beyond the end
}

func FuzzSpans(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := sameSpans(raw); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzRecords(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := sameLogs(raw); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"EEE19B7EC3C1B174","startTimeUnixNano":"1544712660000000000","name":"\ud800","links":[{"traceId":"1"}]}]}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		raw, err := FromJSON(Traces, body)
		if err != nil {
			return
		}
		if err := sameSpans(raw); err != nil {
			t.Fatal(err)
		}
	})
}
