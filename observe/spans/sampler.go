// Package spans decides which spans leave a process, and brings them out of it: a
// [Sampler] for the tracer provider, a [Keeper] that holds the spans of traces that are
// not sampled until it is known whether they went wrong, a [Queue] that sends.
package spans

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// PerSecond is how many new traces a second a [Sampler] samples that says nothing else,
// about: all while there are no more, at least half as many from then on.
const PerSecond = 50

// Sampler decides about a trace where it begins; everywhere below the decision is that of
// the parent. It samples all traces while few begin, and thins them out by halves while
// many do. How much it thins out stands in the tracestate of each sampled trace that stands
// for others, as the rejection threshold ot=th:… (OpenTelemetry, "Consistent Probability
// Sampling"), so that whoever counts spans can count for those that are missing.
//
// The decision of a parent outside of the fleet is none: see [FromOutside].
//
// What is not sampled is recorded all the same, for the [Keeper], while that has room.
// A Sampler is safe for concurrent use.
type Sampler struct {
	perSecond int
	keeper    *Keeper // nil: what is not sampled is not recorded
	now       func() time.Time

	mu     sync.Mutex
	second int64 // since 1970
	begun  int   // traces, in it
	kept   int   // of those
	halved int   // sampled is one of 2^halved
}

// NewSampler returns a sampler of so many new traces a second; 0 means [PerSecond]. keeper
// and now may be nil.
func NewSampler(perSecond int, keeper *Keeper, now func() time.Time) *Sampler {
	if perSecond <= 0 {
		perSecond = PerSecond
	}
	if now == nil {
		now = time.Now
	}
	return &Sampler{perSecond: perSecond, keeper: keeper, now: now}
}

// Description names the sampler.
func (s *Sampler) Description() string { return fmt.Sprintf("muster{%d/s}", s.perSecond) }

// ShouldSample decides about a span that begins.
func (s *Sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	outside := parent.IsRemote() && p.ParentContext.Value(outsideKey{}) != nil
	switch {
	case !parent.IsValid() || outside:
		random := binary.BigEndian.Uint64(p.TraceID[8:]) // W3C Trace Context 2, "random trace id"
		if outside {
			random = rand.Uint64() // who chose that id could choose to be sampled
		}
		if halved := s.thin(random & (1<<56 - 1)); halved >= 0 {
			return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample, Tracestate: stands(parent.TraceState(), halved)}
		}
	case parent.IsSampled():
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample, Tracestate: parent.TraceState()}
	case !parent.IsRemote() && !trace.SpanFromContext(p.ParentContext).IsRecording(): // as its local root
		return sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: parent.TraceState()}
	case !parent.IsRemote():
		return sdktrace.SamplingResult{Decision: sdktrace.RecordOnly, Tracestate: parent.TraceState()}
	}
	if s.keeper == nil || p.ParentContext.Value(refusedKey{}) != nil || !s.keeper.room() {
		return sdktrace.SamplingResult{Decision: sdktrace.Drop, Tracestate: parent.TraceState()}
	}
	return sdktrace.SamplingResult{Decision: sdktrace.RecordOnly, Tracestate: parent.TraceState()}
}

type outsideKey struct{}

// FromOutside marks a context into which the trace of a stranger's request was taken. A
// [Sampler] goes on with that trace under its id, but decides itself, as about one that
// begins: strangers would have all of theirs sampled, and kept.
func FromOutside(ctx context.Context) context.Context {
	return context.WithValue(ctx, outsideKey{}, true)
}

type refusedKey struct{}

// Refused marks the context of a request that is turned away because there are too many. A
// [Sampler] samples it as it does any other, but does not have it held for its failure: such
// traces would all be kept, just when there is no time to make them.
func Refused(ctx context.Context) context.Context {
	return context.WithValue(ctx, refusedKey{}, true)
}

// thin returns how often the probability of a new trace was halved, -1 when it is not
// sampled. Probability depends on how many traces began before, never on the trace, which
// comes with 56 random bits.
func (s *Sampler) thin(random uint64) int {
	second := s.now().Unix()
	s.mu.Lock()
	defer s.mu.Unlock()
	if second != s.second {
		rate := 0
		if second == s.second+1 {
			rate = s.begun
		}
		s.second, s.begun, s.kept = second, 0, 0
		s.halved = bits.Len(uint(max(0, rate-1) / s.perSecond)) // this one will be like the last
	}
	s.begun++
	if s.kept >= s.perSecond { // more than was expected
		s.halved, s.kept = s.halved+1, 0
	}
	s.halved = min(s.halved, maxHalved)
	if random < threshold(s.halved) {
		return -1
	}
	s.kept++
	return s.halved
}

// maxHalved bounds the halving: one of a million.
const maxHalved = 20

// threshold is the number below which the random part of a trace's id is rejected.
func threshold(halved int) uint64 { return 1<<56 - 1<<(56-halved) }

// stands writes into a tracestate for how many others a trace stands. One that stands for
// itself alone needs none.
func stands(state trace.TraceState, halved int) trace.TraceState {
	if halved <= 0 {
		return state
	}
	th := strings.TrimRight(fmt.Sprintf("%014x", threshold(halved)), "0")
	if with, err := state.Insert("ot", "th:"+th); err == nil {
		return with
	}
	return state
}

// Named returns the sampler that OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG name
// (OpenTelemetry specification, "General SDK Configuration"); nil for "". Its error names the
// variable and what it may be.
func Named(name, arg string) (sdktrace.Sampler, error) {
	ratio := func() (sdktrace.Sampler, error) {
		if arg == "" {
			return sdktrace.TraceIDRatioBased(1), nil
		}
		f, err := strconv.ParseFloat(arg, 64)
		if err != nil || f < 0 || f > 1 {
			return nil, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %.40q: it must be a number from 0 to 1", arg)
		}
		return sdktrace.TraceIDRatioBased(f), nil
	}
	base, based := strings.CutPrefix(name, "parentbased_")
	var made sdktrace.Sampler
	var err error
	switch base {
	case "":
		return nil, nil //nolint:nilnil // none is named
	case "always_on":
		made = sdktrace.AlwaysSample()
	case "always_off":
		made = sdktrace.NeverSample()
	case "traceidratio":
		made, err = ratio()
	default:
		return nil, fmt.Errorf("OTEL_TRACES_SAMPLER is %.60q: it must be always_on, always_off, traceidratio or one of these with parentbased_ before it", name)
	}
	if err == nil && based {
		made = sdktrace.ParentBased(made)
	}
	return made, err
}

// keptKey is the attribute of a span that was not sampled and is kept with its local root,
// and says what that was: error or slow.
const keptKey attribute.Key = "muster.kept"
