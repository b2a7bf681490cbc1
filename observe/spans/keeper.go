package spans

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Slow is how long a request may take that is not kept for it.
const Slow = 500 * time.Millisecond

// What is held of traces that are not sampled.
const (
	maxTrees       = 2048 // local roots under way
	maxTree        = 128  // spans below one; more are forgotten
	maxOpen        = 4 * maxTrees
	maxHeld        = Room             // spans that have ended, of all; more are forgotten
	maxDescription = 4096             // bytes of what a span says of its failure
	forsaken       = 10 * time.Minute // a root that has not ended by then may give its place to another
)

// Keeper is the span processor before a queue. Spans of sampled traces go there at once.
// Those of others are held until their local root has ended, which is the first span of
// the trace in this process: when that failed or was slow they follow, and each tells why
// in the attribute muster.kept, so that whoever counts spans leaves it out: the sampled ones
// stand for it already. Otherwise they are forgotten. It is safe for concurrent use.
type Keeper struct {
	queue *Queue
	slow  time.Duration

	mu    sync.Mutex
	trees map[spanKey]*tree // of the spans under way, by span
	roots int               // of those that have not ended
	held  int               // spans in trees
	swept time.Time         // when room was made last
}

var _ sdktrace.SpanProcessor = (*Keeper)(nil)

// NewKeeper returns a keeper before queue. slow is the duration from which a local root is
// kept; 0 means [Slow], negative none.
func NewKeeper(queue *Queue, slow time.Duration) *Keeper {
	if slow == 0 {
		slow = Slow
	}
	return &Keeper{queue: queue, slow: slow, trees: map[spanKey]*tree{}}
}

type spanKey struct {
	trace trace.TraceID
	span  trace.SpanID
}

func keyOf(c trace.SpanContext) spanKey { return spanKey{c.TraceID(), c.SpanID()} }

// tree is a local root with what is below it.
type tree struct {
	root  spanKey
	began time.Time
	spans []sdktrace.ReadOnlySpan // that have ended
	open  int                     // that have not
	ended bool                    // the root has
	why   string                  // once it has: why it is kept; "" when it is not
}

// room reports whether one more local root can be held.
func (k *Keeper) room() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.roots >= maxTrees || len(k.trees) >= maxOpen {
		k.sweep()
	}
	return k.roots < maxTrees && len(k.trees) < maxOpen
}

// sweep forgets, once a second at most, spans whose root has ended, or began so long ago
// that nobody may ever end it. The lock is held.
func (k *Keeper) sweep() {
	now := time.Now()
	if now.Sub(k.swept) < time.Second {
		return
	}
	k.swept = now
	for key, t := range k.trees {
		if t.ended || now.Sub(t.began) > forsaken {
			delete(k.trees, key)
			if key == t.root {
				k.roots--
				k.held -= len(t.spans)
				t.spans, t.ended = nil, true // what is below it is forgotten, too
			}
		}
	}
}

// OnStart notes a span that is not sampled.
func (k *Keeper) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	if s.SpanContext().IsSampled() {
		return
	}
	key := keyOf(s.SpanContext())
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.trees[keyOf(s.Parent())]
	local := s.Parent().IsValid() && !s.Parent().IsRemote()
	switch {
	case local && t == nil: // below a span that is not held
		return
	case !local:
		if k.roots >= maxTrees || len(k.trees) >= maxOpen {
			return
		}
		k.roots++
		t = &tree{root: key, began: s.StartTime()}
	case t.open >= maxTree || len(k.trees) >= maxOpen:
		return
	}
	t.open++
	k.trees[key] = t
}

// OnEnd passes a span on, holds it, or forgets it.
func (k *Keeper) OnEnd(s sdktrace.ReadOnlySpan) {
	if len(s.Status().Description) > maxDescription {
		s = &shortSpan{s}
	}
	if s.SpanContext().IsSampled() {
		k.queue.add(s)
		return
	}
	for _, kept := range k.ended(s) {
		k.queue.add(kept)
	}
}

// ended returns what is to be sent now that a span has ended.
func (k *Keeper) ended(s sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	key := keyOf(s.SpanContext())
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.trees[key]
	if t == nil {
		return nil
	}
	delete(k.trees, key)
	t.open--
	switch {
	case key == t.root:
		k.roots--
		t.ended = true
		k.held -= len(t.spans)
		t.spans = append(t.spans, s)
		kept := t.spans
		t.spans = nil
		if t.why = k.why(s); t.why == "" {
			return nil
		}
		for i := range kept {
			kept[i] = &keptSpan{kept[i], t.why}
		}
		return kept
	case t.ended && t.why != "": // it outlived its root
		return []sdktrace.ReadOnlySpan{&keptSpan{s, t.why}}
	case !t.ended && len(t.spans) < maxTree && k.held < maxHeld:
		t.spans = append(t.spans, s)
		k.held++
	}
	return nil
}

// why returns why a local root is kept, "" when it is not.
func (k *Keeper) why(s sdktrace.ReadOnlySpan) string {
	switch {
	case s.Status().Code == codes.Error:
		return "error"
	case k.slow > 0 && s.EndTime().Sub(s.StartTime()) >= k.slow:
		return "slow"
	}
	return ""
}

// keptSpan is a span that tells why it is kept.
type keptSpan struct {
	sdktrace.ReadOnlySpan
	why string
}

// Attributes returns those of the span and why it is kept.
func (s *keptSpan) Attributes() []attribute.KeyValue {
	return append(slices.Clip(s.ReadOnlySpan.Attributes()), keptKey.String(s.why))
}

// shortSpan is a span with the beginning of its description. That of an attribute is a
// matter of the provider's limits, which this is not.
type shortSpan struct{ sdktrace.ReadOnlySpan }

// Status returns that of the span, cut.
func (s *shortSpan) Status() sdktrace.Status {
	status := s.ReadOnlySpan.Status()
	status.Description = strings.ToValidUTF8(status.Description[:maxDescription], "") + "…"
	return status
}

// Shutdown sends what is left, within ctx, and ends the queue.
func (k *Keeper) Shutdown(ctx context.Context) error { return k.queue.Shutdown(ctx) }

// ForceFlush sends what has come so far, within ctx.
func (k *Keeper) ForceFlush(ctx context.Context) error { return k.queue.Flush(ctx) }
