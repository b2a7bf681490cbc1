package otlp_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

func TestCountsAreExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var k keeper
		r := receiver(&k)
		r.Limits = otlp.Limits{Services: 3, Items: 4}
		sent := 0
		for range rapid.IntRange(1, 8).Draw(rt, "requests") {
			req := &collecttrace.ExportTraceServiceRequest{}
			for range rapid.IntRange(0, 3).Draw(rt, "resources") {
				n := rapid.IntRange(0, 3).Draw(rt, "spans")
				sent += n
				var spans []*tracepb.Span
				for i := range n {
					s := span(i + 1)
					if rapid.Bool().Draw(rt, "bad") {
						s.SpanId = nil
					}
					spans = append(spans, s)
				}
				service := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", otlp.OtherServices, ""}).Draw(rt, "service")
				req.ResourceSpans = append(req.ResourceSpans, traces(service, spans...).ResourceSpans...)
			}
			k.fail(rapid.SampledFrom([]error{nil, nil, signal.ErrFull, errors.New("broken")}).Draw(rt, "error"))
			post(t, r.Handler(), "/v1/traces", raw(t, req))
		}
		c := r.Counts()
		balanced(t, c)
		spans, _ := k.kept()
		if n := c.Signals[otlp.Spans]; n.Received+n.Returned != int64(sent) || n.Stored != int64(len(spans)) {
			rt.Fatalf("sent %d, kept %d, counted %+v", sent, len(spans), n)
		}
		if len(c.Services) > 4 {
			rt.Fatalf("services: %v", c.Services)
		}
	})
}

func TestServicesMakeRoom(t *testing.T) {
	var k keeper
	now := noon
	r := &otlp.Receiver{Sink: k.Sink, Now: func() time.Time { return now }, Limits: otlp.Limits{Services: 2}}
	send := func(service string) {
		post(t, r.Handler(), "/v1/traces", raw(t, traces(service, span(1))))
	}
	send("a")
	send("b")
	send("c")
	if c := r.Counts(); c.Services[otlp.OtherServices][otlp.Spans].Dropped[otlp.DropServices] != 1 {
		t.Errorf("%+v", c)
	}
	now = now.Add(50 * time.Minute)
	send("b")
	now = now.Add(20 * time.Minute)
	send("c")
	c := r.Counts()
	balanced(t, c)
	if c.Services["c"][otlp.Spans].Stored != 1 || c.Services["b"][otlp.Spans].Stored != 2 || c.Services[otlp.OtherServices][otlp.Spans].Stored != 1 {
		t.Errorf("%+v", c.Services)
	}
}

func TestBackPressure(t *testing.T) {
	body := raw(t, traces("shop", span(1)))
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	r := &otlp.Receiver{Now: func() time.Time { return noon }, Limits: otlp.Limits{InFlight: 2 * int64(len(body))}}
	r.Sink = func(context.Context, signal.Batch) error { held <- struct{}{}; <-hold; return nil }
	var wg sync.WaitGroup
	wg.Go(func() { post(t, r.Handler(), "/v1/traces", body) })
	<-held
	res, answer := post(t, r.Handler(), "/v1/traces", body)
	var st statuspb.Status
	if err := proto.Unmarshal(answer, &st); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "1" || codes.Code(st.Code) != codes.ResourceExhausted {
		t.Errorf("%s, %v", res.Status, &st)
	}
	close(hold)
	wg.Wait()
	if res, _ = post(t, r.Handler(), "/v1/traces", body); res.StatusCode != 200 {
		t.Errorf("afterwards: %s", res.Status)
	}
	if c := r.Counts(); c.Requests["throttled"] != 1 || c.Requests["taken"] != 2 {
		t.Errorf("%v", c.Requests)
	}
}

// What is small on the wire and large in memory is charged for by what it takes there; a
// request that is alone is taken whatever it takes.
func TestBackPressureOfParts(t *testing.T) {
	empty := func(s *tracepb.Span) {
		for range 100 {
			s.Events = append(s.Events, &tracepb.Span_Event{})
		}
	}
	var list []*tracepb.Span
	for i := range 100 {
		list = append(list, span(i, empty))
	}
	body := raw(t, traces("shop", list...)) // some 25 kB; its 10,000 events take 480 kB
	var second *http.Response
	depth := 0
	r := &otlp.Receiver{Now: func() time.Time { return noon }, Limits: otlp.Limits{InFlight: 600 << 10}}
	r.Sink = func(context.Context, signal.Batch) error {
		if depth++; depth == 1 {
			second, _ = post(t, r.Handler(), "/v1/traces", body)
		}
		return nil
	}
	first, _ := post(t, r.Handler(), "/v1/traces", body)
	if first.StatusCode != http.StatusOK || second.StatusCode != http.StatusTooManyRequests {
		t.Errorf("alone %s, beside another %s: want 200 and 429", first.Status, second.Status)
	}
	if again, _ := post(t, r.Handler(), "/v1/traces", body); again.StatusCode != http.StatusOK {
		t.Errorf("afterwards %s", again.Status)
	}
	balanced(t, r.Counts())
}
