package signal

import (
	"context"
	"iter"
	"time"
)

// Store keeps spans and log records. All methods may be called concurrently. This is
// all that a store of another kind has to be.
type Store interface {
	// Append keeps a batch, or fails and keeps nothing of it. What it kept survives the
	// death of the process at any moment after it returned. It is found at once. A span
	// that is there already (same trace, id and service) may be kept once or twice; it
	// is returned once. It fails with ErrFull when there is no room and none can be made.
	Append(ctx context.Context, b Batch) error
	// Trace returns the spans of a trace, those that began first first; none is no error. It
	// fails with ErrLarge when they are more than MostTrace.
	Trace(ctx context.Context, id TraceID) ([]Span, error)
	// Spans returns the spans that a query speaks of, those that began last first, as
	// nearly as it can cheaply: exactly within a block of some thousand spans of a
	// service. It ends when the query's scope ends or the caller stops; an error is last.
	Spans(ctx context.Context, q SpanQuery) iter.Seq2[*Span, error]
	// Logs is Spans for log records.
	Logs(ctx context.Context, q LogQuery) iter.Seq2[*Log, error]
	// Usage tells what is kept, by service.
	Usage() []Usage
}

// Window is a span of time; From is in it, Until is not. A zero end is open.
type Window struct{ From, Until time.Time }

// Contains reports whether a moment, ns since 1970, lies in the window.
func (w Window) Contains(ns int64) bool {
	return (w.From.IsZero() || ns >= w.From.UnixNano()) && (w.Until.IsZero() || ns < w.Until.UnixNano())
}

// Match wants an attribute of a span or record, or of its resource, to have a value, as
// Value.String writes it.
type Match struct{ Key, Value string }

// SpanQuery speaks of the spans for which all that it says is true.
type SpanQuery struct {
	Window                 // of the span's start
	Service  string        // ""; any
	Name     string        // "": any
	Kinds    []Kind        // none: any
	Roots    bool          // only those without a parent
	Error    bool          // only those with Status Error
	Min, Max time.Duration // of the duration, both included; Max 0: no bound
	Match    []Match
	Bare     bool // attributes, resource, events and links are not needed, which is cheaper
}

// LogQuery speaks of the records for which all that it says is true.
type LogQuery struct {
	Window
	Service  string
	Severity Severity // at least; 0: any
	Text     string   // the body contains it, or an attribute as key=value does, capitals or not
	Trace    TraceID  // zero: any
	Match    []Match
}

// Usage is what a store keeps of one service.
type Usage struct {
	Service      string    `json:"service"`
	Spans        int64     `json:"spans"`
	Logs         int64     `json:"logs"`
	Bytes        int64     `json:"bytes"`        // on the disk
	Oldest       time.Time `json:"oldest"`       // start of the oldest span or record
	RemovedSpans int64     `json:"removedSpans"` // by age or size, since the store was opened
	RemovedLogs  int64     `json:"removedLogs"`
}
