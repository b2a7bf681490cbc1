package spans_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/observe/spans"
)

// backend is an exporter that keeps names, and fails as it is told.
type backend struct {
	mu      sync.Mutex
	err     error
	calls   int
	names   []string
	longest int               // description, in bytes
	kept    map[string]string // why, of those that were not sampled
}

func (b *backend) ExportSpans(_ context.Context, list []sdktrace.ReadOnlySpan) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.err != nil {
		return b.err
	}
	for _, s := range list {
		b.names = append(b.names, s.Name())
		b.longest = max(b.longest, len(s.Status().Description))
		for _, a := range s.Attributes() {
			if a.Key == "muster.kept" {
				if b.kept == nil {
					b.kept = map[string]string{}
				}
				b.kept[s.Name()] = a.Value.AsString()
			}
		}
	}
	return nil
}

func (*backend) Shutdown(context.Context) error { return nil }

func (b *backend) fails(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *backend) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(slices.Values(b.names))
}

func (b *backend) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.names)
}

type refused struct{}

func (refused) Error() string   { return "400 Bad Request" }
func (refused) Permanent() bool { return true }

// provider returns a tracer whose spans go through all of the package to a backend.
func provider(t testing.TB, b *backend, log *slog.Logger) (trace.Tracer, *spans.Queue, *sdktrace.TracerProvider) {
	t.Helper()
	queue := spans.NewQueue(b, log)
	keeper := spans.NewKeeper(queue, 0)
	p := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(keeper), sdktrace.WithSampler(spans.NewSampler(0, keeper, nil)))
	return p.Tracer("test"), queue, p
}

// called returns a context as a request of a caller's trace has it.
func called(sampled bool) context.Context {
	flags := trace.TraceFlags(0)
	if sampled {
		flags = trace.FlagsSampled
	}
	var id trace.TraceID
	var span trace.SpanID
	for i := range id {
		id[i] = byte(rand.N(256))
	}
	span[0], id[0] = 1, 1
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: flags, Remote: true}))
}

func TestWhatFailsOrIsSlowIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		tracer, _, p := provider(t, b, nil)
		request := func(sampled bool, name string, took time.Duration, status codes.Code) {
			ctx, root := tracer.Start(called(sampled), name)
			within, child := tracer.Start(ctx, name+" child")
			_, grandchild := tracer.Start(within, name+" grandchild")
			grandchild.SetStatus(codes.Error, "a detail that was coped with")
			grandchild.End()
			child.End()
			_, late := tracer.Start(ctx, name+" late")
			time.Sleep(took)
			root.SetStatus(status, "")
			root.End()
			late.End()
		}
		request(true, "sampled", 0, codes.Unset)
		request(false, "well", 0, codes.Unset)
		request(false, "failed", 0, codes.Error)
		request(false, "slow", time.Second, codes.Unset)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, name := range []string{"sampled", "failed", "slow"} {
			want = append(want, name, name+" child", name+" grandchild", name+" late")
		}
		slices.Sort(want)
		if got := b.got(); !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
		for _, name := range want { // each says so itself, so that nobody counts it
			why := map[string]string{"failed": "error", "slow": "slow"}[strings.Fields(name)[0]]
			if b.kept[name] != why {
				t.Errorf("%s is kept for %q, want %q", name, b.kept[name], why)
			}
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Spans that nobody ends do not take the room of others for ever, nor any memory.
func TestForsakenSpansAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		tracer, _, p := provider(t, b, nil)
		recorded := 0
		for range 20_000 {
			_, s := tracer.Start(called(false), "never ends")
			if s.IsRecording() {
				recorded++
			}
		}
		if recorded == 0 || recorded > 4096 {
			t.Errorf("%d of them are recorded", recorded)
		}
		time.Sleep(time.Hour)
		ctx, s := tracer.Start(called(false), "later")
		if !s.IsRecording() {
			t.Error("there is no room for it")
		}
		_, child := tracer.Start(ctx, "child")
		child.End()
		s.SetStatus(codes.Error, "")
		s.End()
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := b.got(); !slices.Equal(got, []string{"child", "later"}) {
			t.Errorf("sent %q", got)
		}
	})
}

// What is below a span that there is no room for is no local root, and what a span says of
// its failure is bounded.
func TestBelowWhatIsNotHeldNothingIs(t *testing.T) {
	b := &backend{}
	tracer, _, p := provider(t, b, nil)
	ctx, root := tracer.Start(called(false), "root")
	var open []trace.Span
	for range 300 {
		within, s := tracer.Start(ctx, "branch")
		_, leaf := tracer.Start(within, "leaf")
		open = append(open, leaf, s)
	}
	for _, s := range open {
		s.SetStatus(codes.Error, "")
		s.End()
	}
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.count(); n != 0 {
		t.Errorf("%d spans were sent before their root has ended", n)
	}
	root.SetStatus(codes.Error, strings.Repeat("é", 1<<20))
	root.End()
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if n := b.count(); n < 100 || n > 150 || b.longest > 5000 {
		t.Errorf("%d spans were sent, the longest description has %d bytes", n, b.longest)
	}
}

// While a backend is away everything waits up to the bound; what is more is lost, counted,
// and told once.
func TestABackendThatIsAwayLosesNothingUpToTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := &backend{err: errors.New("connection refused")}
		tracer, queue, p := provider(t, b, slog.New(slog.NewTextHandler(&log, nil)))
		const more = 100
		ctx := called(true)
		for range spans.Room + more {
			_, s := tracer.Start(ctx, "s")
			s.End()
		}
		time.Sleep(time.Minute)
		b.mu.Lock()
		if tries := b.calls; tries < 10 || tries > 40 {
			t.Errorf("%d tries in a minute", tries)
		}
		b.mu.Unlock()
		b.fails(nil)
		time.Sleep(10 * time.Second)
		if got := b.count(); got != spans.Room || queue.Lost() != more {
			t.Errorf("%d sent, %d lost", got, queue.Lost())
		}
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "spans are lost") || !strings.Contains(text, "lost=100") {
			t.Errorf("logged: %s", text)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What a backend refuses does not keep the rest.
func TestWhatIsRefusedIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{err: refused{}}
		tracer, queue, p := provider(t, b, nil)
		end := func(name string) {
			_, s := tracer.Start(called(true), name)
			s.End()
			time.Sleep(time.Second)
		}
		end("bad")
		b.fails(nil)
		end("good")
		if got := b.got(); !slices.Equal(got, []string{"good"}) || queue.Lost() != 1 || b.calls != 2 {
			t.Errorf("%q, %d lost, %d calls", got, queue.Lost(), b.calls)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A span is with the backend half a second after it ended, and the end sends what is left.
func TestSpansAreSentSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{}
		tracer, _, p := provider(t, b, nil)
		for i := range 3 {
			_, s := tracer.Start(called(true), "s")
			s.End()
			time.Sleep(501 * time.Millisecond)
			synctest.Wait()
			if b.count() != i+1 {
				t.Errorf("%d of %d were sent", b.count(), i+1)
			}
			time.Sleep(time.Duration(i) * time.Minute)
		}
		_, s := tracer.Start(called(true), "last")
		s.End()
		if err := p.Shutdown(t.Context()); err != nil || b.count() != 4 {
			t.Errorf("%d sent, %v", b.count(), err)
		}
	})
}

func TestAnEndWithoutABackendSaysWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backend{err: errors.New("connection refused")}
		tracer, queue, p := provider(t, b, nil)
		_, s := tracer.Start(called(true), "s")
		s.End()
		began := time.Now()
		if err := p.Shutdown(t.Context()); err == nil || !strings.Contains(err.Error(), "1 spans could not be sent") || queue.Lost() != 1 {
			t.Errorf("%v, %d lost", err, queue.Lost())
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// begin has a sampler decide about a new trace.
func begin(s *spans.Sampler, random *rand.Rand) (sampled bool, stands float64, state string) {
	var id trace.TraceID
	for i := range id {
		id[i] = byte(random.IntN(256))
	}
	r := s.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: id})
	th := strings.TrimPrefix(r.Tracestate.Get("ot"), "th:")
	if th == "" {
		return r.Decision == sdktrace.RecordAndSample, 1, ""
	}
	n, err := strconv.ParseUint(th+strings.Repeat("0", 14-len(th)), 16, 64)
	if err != nil {
		panic(err)
	}
	return r.Decision == sdktrace.RecordAndSample, float64(uint64(1)<<56) / float64(uint64(1)<<56-n), th
}

// However many traces begin, few are sampled, and those stand for about as many as began.
func TestSampledTracesStandForAll(t *testing.T) {
	for seed, rate := range []int{1, 49, 50, 51, 99, 101, 500, 1_000, 5_000, 20_000} {
		now := time.Unix(1_000, 0)
		s := spans.NewSampler(0, nil, func() time.Time { return now })
		random := rand.New(rand.NewPCG(uint64(seed), 0))
		const seconds = 20
		var kept int
		var stand float64
		for range seconds {
			for range rate {
				if sampled, weight, _ := begin(s, random); sampled {
					kept++
					stand += weight
				}
			}
			now = now.Add(time.Second)
		}
		if all := float64(seconds * rate); rate <= spans.PerSecond && kept != seconds*rate || stand < 0.6*all || stand > 1.4*all {
			t.Errorf("at %d a second %d of %.0f are sampled and stand for %.0f", rate, kept, all, stand)
		}
		if most := 12*spans.PerSecond + seconds*2*spans.PerSecond; kept > most {
			t.Errorf("at %d a second %d are sampled in %d s, at most %d are good", rate, kept, seconds, most)
		}
	}
}

func TestThresholdsAreShort(t *testing.T) {
	now := time.Unix(1_000, 0)
	s := spans.NewSampler(1, nil, func() time.Time { return now })
	random := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{}
	for range 100_000 {
		if sampled, _, th := begin(s, random); sampled {
			seen[th] = true
		}
	}
	for _, th := range []string{"", "8", "c", "e", "f", "f8"} {
		if !seen[th] {
			t.Errorf("th:%s was never written, but %v", th, seen)
		}
	}
}

func TestTheDecisionIsTheParents(t *testing.T) {
	b := &backend{}
	tracer, _, p := provider(t, b, nil)
	defer func() { _ = p.Shutdown(context.Background()) }()
	for _, sampled := range []bool{true, false} {
		ctx, s := tracer.Start(called(sampled), "s")
		_, child := tracer.Start(ctx, "child")
		if s.SpanContext().IsSampled() != sampled || child.SpanContext().IsSampled() != sampled || !child.IsRecording() {
			t.Errorf("sampled %v: %v, %v", sampled, s.SpanContext(), child.SpanContext())
		}
		child.End()
		s.End()
	}
}

func TestNamed(t *testing.T) {
	for _, x := range []struct{ name, arg, want string }{
		{"", "", "<nil>"},
		{"always_on", "", "AlwaysOnSampler"},
		{"always_off", "", "AlwaysOffSampler"},
		{"traceidratio", "0.25", "TraceIDRatioBased{0.25}"},
		{"traceidratio", "", "TraceIDRatioBased{1}"},
		{"parentbased_always_on", "", "ParentBased{root:AlwaysOnSampler"},
		{"parentbased_traceidratio", "0.5", "ParentBased{root:TraceIDRatioBased{0.5}"},
		{"sometimes", "", `OTEL_TRACES_SAMPLER is "sometimes"`},
		{"traceidratio", "2", `OTEL_TRACES_SAMPLER_ARG is "2"`},
		{"parentbased_traceidratio", "x", `OTEL_TRACES_SAMPLER_ARG is "x"`},
	} {
		s, err := spans.Named(x.name, x.arg)
		got := fmt.Sprint(err)
		if err == nil {
			got = "<nil>"
			if s != nil {
				got = s.Description()
			}
		}
		if !strings.HasPrefix(got, x.want) {
			t.Errorf("%q %q: %s, want %s", x.name, x.arg, got, x.want)
		}
	}
}

func ExampleNewSampler() {
	queue := spans.NewQueue(&backend{}, nil) // an exporter
	keeper := spans.NewKeeper(queue, 0)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(keeper), sdktrace.WithSampler(spans.NewSampler(0, keeper, nil)))
	_, span := provider.Tracer("example").Start(context.Background(), "work")
	fmt.Println(span.SpanContext().IsSampled())
	span.End()
	fmt.Println(provider.Shutdown(context.Background()))
	// Output:
	// true
	// <nil>
}
