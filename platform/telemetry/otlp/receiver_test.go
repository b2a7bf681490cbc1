package otlp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// What is wrong with one span costs that span, is counted and told.

func TestBadSpans(t *testing.T) {
	at := func(d time.Duration) func(*tracepb.Span) {
		return func(s *tracepb.Span) {
			s.StartTimeUnixNano = uint64(noon.Add(d).UnixNano())
			s.EndTimeUnixNano = s.StartTimeUnixNano + 1000
		}
	}
	large := func(n, size int) func(*tracepb.Span) {
		return func(s *tracepb.Span) {
			for i := range n {
				s.Attributes = append(s.Attributes, &commonpb.KeyValue{Key: fmt.Sprint("k", i), Value: str(strings.Repeat("x", size))})
			}
		}
	}
	tests := []struct {
		name     string
		change   func(*tracepb.Span)
		dropped  string
		repaired string
	}{
		{"good", func(*tracepb.Span) {}, "", ""},
		{"no trace id", func(s *tracepb.Span) { s.TraceId = nil }, otlp.DropID, ""},
		{"trace id of zeros", func(s *tracepb.Span) { s.TraceId = make([]byte, 16) }, otlp.DropID, ""},
		{"short span id", func(s *tracepb.Span) { s.SpanId = []byte("short") }, otlp.DropID, ""},
		{"long parent id", func(s *tracepb.Span) { s.ParentSpanId = []byte("long-long-long") }, otlp.DropID, ""},
		{"parent id of zeros", func(s *tracepb.Span) { s.ParentSpanId = make([]byte, 8) }, "", ""},
		{"two days ahead", at(48 * time.Hour), otlp.DropClock, ""},
		{"an hour ahead", at(time.Hour), "", ""},
		{"31 days old", at(-31 * 24 * time.Hour), otlp.DropClock, ""},
		{"29 days old", at(-29 * 24 * time.Hour), "", ""},
		{"no start", func(s *tracepb.Span) { s.StartTimeUnixNano = 0 }, otlp.DropClock, ""},
		{"ends in 1,000 years", func(s *tracepb.Span) { s.EndTimeUnixNano = 1 << 63 }, otlp.DropClock, ""},
		{"ends before it began", func(s *tracepb.Span) { s.EndTimeUnixNano -= 5000 }, "", "end before start"},
		{"1 MB attribute", large(1, 1<<20), "", "text cut"},
		{"130 attributes", large(130, 10), "", "attributes, events or links left out"},
		{"2 MB in all", large(40, 60_000), otlp.DropLarge, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var k keeper
			r := receiver(&k)
			res, answer := post(t, r.Handler(), "/v1/traces", raw(t, traces("shop", span(1), span(2, tt.change))))
			var got collecttrace.ExportTraceServiceResponse
			if err := proto.Unmarshal(answer, &got); err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%s, %v", res.Status, err)
			}
			c := r.Counts()
			balanced(t, c)
			spans, _ := k.kept()
			if tt.dropped == "" {
				if len(spans) != 2 || got.PartialSuccess != nil {
					t.Errorf("kept %d, told %v", len(spans), got.PartialSuccess)
				}
			} else if got.GetPartialSuccess().GetRejectedSpans() != 1 || !strings.Contains(got.GetPartialSuccess().GetErrorMessage(), tt.dropped) ||
				len(spans) != 1 || c.Signals[otlp.Spans].Dropped[tt.dropped] != 1 || c.Services["shop"][otlp.Spans].Dropped[tt.dropped] != 1 {
				t.Errorf("kept %d, told %v, counted %+v", len(spans), got.PartialSuccess, c)
			}
			var want map[string]int64
			if tt.repaired != "" {
				want = map[string]int64{tt.repaired: 1}
			}
			if !maps.Equal(c.Repaired, want) {
				t.Errorf("repaired %v, want %v", c.Repaired, want)
			}
		})
	}
}

// Requests that cannot be taken are refused as OTLP says, in the form they came in.

func TestRefusals(t *testing.T) {
	good := raw(t, traces("shop", span(1)))
	var k keeper
	r := receiver(&k)
	r.Limits = otlp.Limits{Body: 1000}
	tests := []struct {
		name    string
		path    string
		body    []byte
		headers []string
		status  int
		code    codes.Code
		says    string
		outcome string
	}{
		{"malformed", "traces", []byte("\x0a\xff"), nil, 400, codes.InvalidArgument, "malformed protobuf", "malformed"},
		{"malformed JSON", "traces", []byte("{"), []string{"Content-Type", "application/json; charset=utf-8"}, 400, codes.InvalidArgument, "Content-Type", "malformed"},
		{"no type", "traces", good, []string{"Content-Type", ""}, 415, codes.InvalidArgument, "application/x-protobuf", "unsupported"},
		{"other type", "logs", good, []string{"Content-Type", "text/plain"}, 415, codes.InvalidArgument, "text/plain", "unsupported"},
		{"other packing", "traces", good, []string{"Content-Encoding", "zstd"}, 415, codes.InvalidArgument, "zstd", "unsupported"},
		{"not gzip", "traces", good, []string{"Content-Encoding", "gzip"}, 400, codes.InvalidArgument, "Content-Encoding", "malformed"},
		{"torn gzip", "traces", zipped(t, good)[:40], []string{"Content-Encoding", "gzip"}, 400, codes.InvalidArgument, "ended early", "aborted"},
		{"too large", "traces", make([]byte, 1001), nil, 413, codes.InvalidArgument, "1000 bytes", "too large"},
		{"too large unpacked", "traces", zipped(t, make([]byte, 1<<20)), []string{"Content-Encoding", "gzip"}, 413, codes.InvalidArgument, "1000 bytes", "too large"},
		{"no metrics here", "metrics", nil, nil, 501, codes.Unimplemented, "no metrics", "unsupported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := r.Counts().Requests[tt.outcome]
			res, answer := post(t, r.Handler(), "/v1/"+tt.path, tt.body, tt.headers...)
			var st statuspb.Status
			if res.Header.Get("Content-Type") == pb {
				if err := proto.Unmarshal(answer, &st); err != nil {
					t.Fatal(err)
				}
			} else if err := json.Unmarshal(answer, &struct {
				Code    *int32
				Message *string
			}{&st.Code, &st.Message}); err != nil {
				t.Fatalf("%s: %v", answer, err)
			}
			if res.StatusCode != tt.status || codes.Code(st.Code) != tt.code || !strings.Contains(st.Message, tt.says) {
				t.Errorf("%s: %v: %s", res.Status, codes.Code(st.Code), st.Message)
			}
			if n := r.Counts().Requests[tt.outcome]; n != before+1 {
				t.Errorf("requests: %v", r.Counts().Requests)
			}
		})
	}
	if res, _ := post(t, r.Handler(), "/v1/traces", good); res.StatusCode != http.StatusOK {
		t.Errorf("a good request afterwards: %s", res.Status)
	}
	balanced(t, r.Counts())
}

// What the sink does decides about the answer, and the account is right whatever it does.

func TestSinkFails(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		retry  string
		want   otlp.Count
	}{
		{"full", signal.ErrFull, 503, "5", otlp.Count{Returned: 2}},
		{"busy", problem.New(problem.ResourceExhausted, "busy").WithRetryAfter(1500 * time.Millisecond), 429, "2", otlp.Count{Returned: 2}},
		{"late", context.DeadlineExceeded, 503, "5", otlp.Count{Returned: 2}},
		{"broken", errors.New("broken"), 500, "", otlp.Count{Received: 2, Dropped: map[string]int64{otlp.DropFailed: 2}}},
		{"fine", nil, 200, "", otlp.Count{Received: 2, Stored: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var k keeper
			k.fail(tt.err)
			r := receiver(&k)
			forwarded := 0
			r.Forward = func(string, []byte) { forwarded++ }
			res, answer := post(t, r.Handler(), "/v1/traces", raw(t, traces("shop", span(1), span(2))))
			c := r.Counts()
			balanced(t, c)
			if res.StatusCode != tt.status || res.Header.Get("Retry-After") != tt.retry || !reflect.DeepEqual(c.Signals[otlp.Spans], tt.want) {
				t.Errorf("%s, Retry-After %q, %+v: %s", res.Status, res.Header.Get("Retry-After"), c.Signals[otlp.Spans], answer)
			}
			if strings.Contains(string(answer), "broken") {
				t.Error("the cause was sent")
			}
			if (forwarded == 1) != (tt.err == nil) {
				t.Errorf("forwarded %d times", forwarded)
			}
		})
	}
	t.Run("panics", func(t *testing.T) {
		r := &otlp.Receiver{Sink: func(context.Context, signal.Batch) error { panic("boom") }, Now: func() time.Time { return noon }}
		res, _ := post(t, r.Handler(), "/v1/traces", raw(t, traces("shop", span(1), span(2))))
		if c := r.Counts(); res.StatusCode != 500 || c.Signals[otlp.Spans].Dropped[otlp.DropFailed] != 2 {
			t.Errorf("%s, %+v", res.Status, c)
		}
		balanced(t, r.Counts())
	})
}

// Under any traffic, with a sink that fails now and then, sent is received and returned,

// and the sink has what is counted as stored.

// A service that was quiet for an hour makes room for another; its counts stay in the sum.

// Senders wait while others' requests are being worked on.

// JSON says the same as protobuf, and is answered in JSON.

// Points are counted to the service that sent them, whatever becomes of each one's.

// What encode makes, the receiver reads.

// No bytes end the process, and the account stays right.
