package plan

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// ErrWait says that a step asked and will be answered.
var ErrWait = errors.New("saga: the step waits for its answer")

// Kind is what a try of a step came to.
type Kind string

// The kinds of outcomes.
const (
	Done     Kind = "done"
	Waits    Kind = "waits"
	Rejected Kind = "rejected" // refused for good
	Retry    Kind = "retry"    // not now
	Unknown  Kind = "unknown"  // it may have taken effect
	Fault    Kind = "fault"    // it failed, for a reason that may be a mistake in the program
	Bug      Kind = "bug"      // a mistake in the program
)

// Ended is an error that says what a try came to.
type Ended struct {
	Kind   Kind
	Reason string
	Err    error
	After  time.Duration
	Stack  string // of a panic
}

func (e *Ended) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return e.Err.Error()
}

func (e *Ended) Unwrap() error { return e.Err }

// Outcome is what an error of a step means for its saga.
type Outcome struct {
	Kind  Kind
	Text  string        // the error, for people; of a rejection the reason
	After time.Duration // of retry: 0 says nothing
	Sure  bool          // the try had no effect
	Stack string        // of a panic
}

const maxText = 4 << 10 // bytes of a text that is kept

// Judge tells what an error means: what it says itself, else its problem code.
func Judge(err error) Outcome {
	if err == nil {
		return Outcome{Kind: Done, Sure: true}
	}
	if errors.Is(err, ErrWait) {
		return Outcome{Kind: Waits}
	}
	if own, ok := errors.AsType[*Ended](err); ok {
		return Outcome{Kind: own.Kind, Text: Clip(err.Error()), After: own.After, Sure: own.Kind == Rejected || own.Kind == Retry, Stack: own.Stack}
	}
	o := Outcome{Kind: Fault, Text: Clip(err.Error())}
	if errors.Is(err, table.ErrLost) { // the cause of the context's end: what was asked of others may have been done
		o.Kind = Unknown
		return o
	}
	if tx.IsRetryable(err) { // a deadlock is nobody's mistake
		o.Kind = Retry
		return o
	}
	p := problem.From(err)
	switch p.Code {
	case problem.InvalidArgument, problem.NotFound, problem.Gone, problem.FailedPrecondition, problem.Unprocessable:
		o.Kind, o.Text, o.Sure = Rejected, Clip(cmp.Or(p.Message, err.Error())), true
	case problem.Conflict:
		if p.RetryAfter == 0 {
			o.Kind, o.Text, o.Sure = Rejected, Clip(cmp.Or(p.Message, err.Error())), true
			break
		}
		o.Kind, o.After = Retry, min(p.RetryAfter, time.Minute)
	case problem.Unavailable, problem.ResourceExhausted, problem.Canceled:
		o.Kind, o.After = Retry, min(p.RetryAfter, time.Minute)
	case problem.DeadlineExceeded, problem.Unknown:
		o.Kind = Unknown
	}
	return o
}

// Clip makes of a text one that every database takes.
func Clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
