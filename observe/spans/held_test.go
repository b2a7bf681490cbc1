package spans_test

import (
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/observe/spans"
)

// What is held until requests end is bounded over all of them, and what comes later finds
// room again.
func TestHeldSpansAreBounded(t *testing.T) {
	b := &backend{}
	tracer, queue, p := provider(t, b, nil)
	for range 2 {
		var roots []trace.Span
		for range 200 {
			ctx, root := tracer.Start(called(false), "root")
			for range 100 {
				_, below := tracer.Start(ctx, "below")
				below.End()
			}
			roots = append(roots, root)
		}
		for _, root := range roots {
			root.SetStatus(codes.Error, "")
			root.End()
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if n, want := b.count(), 2*(spans.Room+200); n != want || queue.Lost() != 0 {
		t.Errorf("%d spans were sent and %d lost, want %d and none", n, queue.Lost(), want)
	}
}
