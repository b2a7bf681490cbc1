package resilience

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/musterdev/muster/problem"
)

// FallbackSettings say what stands in for an answer that cannot be had. The zero value
// means no fallback.
type FallbackSettings struct {
	LastGood  time.Duration `yaml:"last_good"` // how old a former answer may be; 0: none is kept
	Entries   int           `yaml:"entries"`   // former answers that are kept, 0 means 1000
	Megabytes int           `yaml:"megabytes"` // what they may take together, in units of 1,048,576 bytes; 0 means 16
	Value     string        `yaml:"value"`     // a fixed answer, such as a body; "" means none
}

// How much a [Fallback] keeps where nothing else is said.
const (
	DefaultFallbackEntries   = 1000
	DefaultFallbackMegabytes = 16
)

// Bytes returns what the former answers may take together, in bytes.
func (s FallbackSettings) Bytes() int {
	return cmp.Or(s.Megabytes, DefaultFallbackMegabytes) << 20
}

// Origin tells where an answer came from.
type Origin uint8

// The origins of an answer.
const (
	FromTarget   Origin = iota // the target itself
	FromLastGood               // its last good answer
	FromFunc                   // the fallback's function
	FromValue                  // the fallback's fixed value
)

// String returns "answer", "last good", "function" or "value".
func (o Origin) String() string {
	switch o {
	case FromTarget:
		return "answer"
	case FromLastGood:
		return "last good"
	case FromFunc:
		return "function"
	}
	return "value"
}

// Answer is an answer or what stands in for it.
type Answer[T any] struct {
	Value T
	From  Origin
	Age   time.Duration // of a last good answer
	Cause error         // why the target itself did not answer; nil when it did
}

// Degraded reports whether something else stands in for the target's answer, so that
// it can be marked as such.
func (a Answer[T]) Degraded() bool { return a.From != FromTarget }

// Fallback gives something in place of an answer that cannot be had: the last good one
// while it is young enough, else what Func returns, else Value. The zero value has
// none of these and returns the error. Its exported fields are set before first use;
// it is safe for concurrent use then. Answers kept are shared: nobody may change them.
type Fallback[T any] struct {
	LastGood time.Duration                                     // how old a former answer may be; 0: none is kept
	Entries  int                                               // former answers kept, one a key; 0 means 1000; the one longest unused goes first
	Bytes    int                                               // that they may take together, by Size; 0: no bound
	Size     func(T) int                                       // what an answer takes, in bytes; nil: nothing
	Func     func(ctx context.Context, cause error) (T, error) // makes an answer; nil: none
	Value    *T                                                // a fixed answer; nil: none
	When     func(error) bool                                  // which errors it is for; nil means [Degradable]

	mu   sync.Mutex
	keys map[string]*list.Element
	kept list.List // of *good, the latest used first
	held int       // bytes of those kept
	uses [FromValue + 1]uint64
}

type good[T any] struct {
	key   string
	value T
	at    time.Time
	size  int
}

// Degradable reports whether err means that the answer could not be had, as opposed to
// an answer that says no: the target is unavailable, overloaded, too slow or broken, or
// a policy refused the call. A call that its caller cancelled is none.
func Degradable(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	switch problem.CodeOf(err) {
	case problem.Unavailable, problem.ResourceExhausted, problem.DeadlineExceeded, problem.Unknown, problem.Internal:
		return true
	}
	return false
}

// Do runs call and returns its answer, or what stands in for it. key tells which
// question this is, for the last good answer.
func (f *Fallback[T]) Do(ctx context.Context, key string, call func(context.Context) (T, error)) (Answer[T], error) {
	value, err := call(ctx)
	if err == nil {
		f.Keep(time.Now(), key, value)
		return Answer[T]{Value: value}, nil
	}
	return f.Instead(ctx, time.Now(), key, err)
}

// Keep remembers a good answer.
func (f *Fallback[T]) Keep(now time.Time, key string, value T) {
	if f.LastGood <= 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.keys[key]; ok {
		f.drop(e)
	}
	if f.keys == nil {
		f.keys = map[string]*list.Element{}
	}
	g := &good[T]{key: key, value: value, at: now}
	if f.Size != nil {
		g.size = len(key) + f.Size(value)
	}
	f.keys[key] = f.kept.PushFront(g)
	f.held += g.size
	for f.kept.Len() > cmp.Or(f.Entries, DefaultFallbackEntries) || f.Bytes > 0 && f.held > f.Bytes {
		f.drop(f.kept.Back())
	}
}

// Instead returns what stands in for the answer that failed with cause, or cause itself.
func (f *Fallback[T]) Instead(ctx context.Context, now time.Time, key string, cause error) (Answer[T], error) {
	when := f.When
	if when == nil {
		when = Degradable
	}
	if !when(cause) {
		return Answer[T]{Cause: cause}, cause
	}
	if g, ok := f.last(now, key); ok {
		return Answer[T]{g.value, FromLastGood, now.Sub(g.at), cause}, nil
	}
	if f.Func != nil {
		value, err := f.Func(ctx, cause)
		if err == nil {
			f.count(FromFunc)
			return Answer[T]{Value: value, From: FromFunc, Cause: cause}, nil
		}
		cause = errors.Join(cause, err)
	}
	if f.Value != nil {
		f.count(FromValue)
		return Answer[T]{Value: *f.Value, From: FromValue, Cause: cause}, nil
	}
	return Answer[T]{Cause: cause}, cause
}

func (f *Fallback[T]) last(now time.Time, key string) (*good[T], bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.keys[key]
	if !ok {
		return nil, false
	}
	g, _ := e.Value.(*good[T])
	if now.Sub(g.at) > f.LastGood {
		f.drop(e)
		return nil, false
	}
	f.kept.MoveToFront(e)
	f.uses[FromLastGood]++
	return g, true
}

// drop forgets one answer; f.mu is held.
func (f *Fallback[T]) drop(e *list.Element) {
	if g, ok := f.kept.Remove(e).(*good[T]); ok {
		delete(f.keys, g.key)
		f.held -= g.size
	}
}

func (f *Fallback[T]) count(o Origin) {
	f.mu.Lock()
	f.uses[o]++
	f.mu.Unlock()
}

// FallbackStats tell what stood in for answers since the start.
type FallbackStats struct {
	Kept     int    `json:"kept"`  // former answers held now
	Bytes    int    `json:"bytes"` // that they take, where that is bounded
	LastGood uint64 `json:"last_good"`
	Func     uint64 `json:"func"`
	Value    uint64 `json:"value"`
}

// Stats returns what the fallback did.
func (f *Fallback[T]) Stats() FallbackStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return FallbackStats{f.kept.Len(), f.held, f.uses[FromLastGood], f.uses[FromFunc], f.uses[FromValue]}
}
