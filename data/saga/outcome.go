package saga

import (
	"cmp"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/musterdev/muster/data/saga/internal/plan"
)

// Wait is returned by a Do or Undo that asked and will be answered later, by an event
// or a call that [Saga.Answer] or [Saga.AnswerUndo] is called for. What it did is
// recorded, and the saga rests until then.
var Wait = plan.ErrWait

// Reject says that the step cannot be done, however often it is tried, and that it had
// no effect: the saga is compensated. reason is shown to people and given to
// Saga.Compensated. After the pivot, and in an Undo, nothing may be refused: there it
// is a [Bug].
func Reject(reason string) error {
	return &plan.Ended{Kind: plan.Rejected, Reason: cmp.Or(reason, "refused")}
}

// Retry says that the step had no effect and is to be tried again, for ever: after so
// long, or for 0 after a time that grows from 100 ms to 10 s.
func Retry(err error, after time.Duration) error {
	return &plan.Ended{Kind: plan.Retry, Err: because(err), After: after}
}

// Unknown says that the step may have taken effect: it is tried again, with the same
// key, until it is known. Nothing is compensated before that.
func Unknown(err error) error { return &plan.Ended{Kind: plan.Unknown, Err: because(err)} }

// Bug says that there is a mistake in the program or its data: the saga pauses until a
// person says how to go on. A panic of a step is one.
//
//nolint:godox // it is the function's name
func Bug(err error) error { return &plan.Ended{Kind: plan.Bug, Err: because(err)} }

func because(err error) error {
	if err == nil {
		return errors.New("no reason was given")
	}
	return err
}

// guarded runs one function of a step. Its panic is a bug, with the stack for the log.
func guarded(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &plan.Ended{Kind: plan.Bug, Err: fmt.Errorf("panic: %v", p), Stack: string(debug.Stack())}
		}
	}()
	return fn()
}

func panicked(err error) bool {
	ended, ok := errors.AsType[*plan.Ended](err)
	return ok && ended.Stack != ""
}
