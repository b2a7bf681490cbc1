// Package saga carries out operations of several steps, over several services, so
// that in the end all of them took effect or none: what was done before a step is
// refused is undone, in reverse (Garcia-Molina and Salem, Sagas, 1987).
//
// A [Saga] is a list of steps. A [Local] step changes the service's own database and
// commits together with the record that it is done: exactly once. A [Remote] step
// asks others and may be repeated, each time with the same key ([Call.Key]), by which
// those who are asked tell repetitions. One step is the pivot: before it a step may
// refuse, and the saga is compensated; after it everything is repeated until it is
// done, for ever if need be.
//
// Each running saga is a row of the service's database, written by [Saga.Start] in
// the caller's transaction. An [Engine] carries on what is due. Of the engines of all
// replicas one at a time has a saga, by a lease on the database's clock and a fence:
// every write of a holder that was taken over is refused. After a crash another goes
// on within five seconds.
//
// What a step came to is told by its error: see [Wait], [Reject], [Retry], [Unknown]
// and [Bug]. People may [Engine.Retry], [Engine.Skip],
// [Engine.Compensate], [Engine.Pause], [Engine.Resume] and [Engine.Edit].
package saga

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/tx"
)

// DefaultTimeout is how long a try of a step may take that says nothing of it.
const DefaultTimeout = plan.DefaultTimeout

// Saga is an operation of several steps with data of type T. Its fields are read by
// [New] and may not change afterwards. It is used by pointer, by one engine, and its
// methods are safe for concurrent use.
//
// T is written as JSON, or in its own form where T or *T is a protobuf message; at
// most [MaxData] bytes.
type Saga[T any] struct {
	// Name is what it is called in the table, in keys and in logs: 1 to 50 of a-z, 0-9
	// and -, beginning with a letter.
	Name string
	// Version is raised when the steps or the data change in a way that a saga which is
	// under way could not go on with. Engines carry on only the versions they know: keep
	// the old definition beside the new one until none of it runs any more.
	Version int
	// From are earlier versions whose running sagas go on by this one, and Upgrade says how: at
	// which of its steps, with which data. Upgrade must be pure: it is called again after a
	// crash, and by [Engine.Check]. A saga whose upgrade fails is paused as it is.
	From    []int
	Upgrade func(old Old) (step string, data T, err error)
	Steps   []Step[T] // in their order; at least one

	// Completed and Compensated run in the transaction by which a saga ends; both may be
	// nil. Failing, they are repeated as a step after the pivot is.
	Completed   func(ctx context.Context, tx tx.Tx, data *T) error
	Compensated func(ctx context.Context, tx tx.Tx, data *T, reason string) error

	// Ended is told, in the process that ended it and once that is committed, that a saga
	// is completed or compensated: to wake who waits for it here. It must not block, and
	// where the process crashes it is not told at all. It may be nil.
	Ended func(id string, state State)

	engine atomic.Pointer[Engine] // set by New
}

// Step is a [Local] or a [Remote].
type Step[T any] interface {
	define() plan.Step
}

// Local is a step that changes the service's own database. Do and Undo get a
// transaction, which commits what they write, and the changes of *data, together with
// the record that the step is done; when they fail all of it is rolled back. They must
// not wait for others: the saga's row, and in SQLite the database, is locked meanwhile.
//
// To ask another service by event Do appends to the outbox and returns [Wait].
type Local[T any] struct {
	Name string // as Saga.Name; "end" is taken
	Do   func(ctx context.Context, tx tx.Tx, data *T) error
	// Undo takes back what Do did. It may run when Do never took effect, and more than
	// once, and must be content with that. It cannot refuse. nil only for the pivot, after
	// it, and where NoUndo says that there is nothing to take back.
	Undo    func(ctx context.Context, tx tx.Tx, data *T) error
	NoUndo  bool
	Pivot   bool          // once it is done the saga goes through; without any, the last step is the pivot
	Timeout time.Duration // of one try; 0: DefaultTimeout
}

// Remote is a step that asks others, outside of any transaction. Each try has the same
// [Call.Key], and its context ends after Timeout. A try that took effect may be
// repeated, after a crash or where the answer was lost: those who are asked must tell
// by the key. Changes of *data are kept, those of a failed try too.
type Remote[T any] struct {
	Name    string // as Saga.Name; "end" is taken
	Do      func(ctx context.Context, data *T) error
	Undo    func(ctx context.Context, data *T) error // as Local.Undo
	NoUndo  bool
	Pivot   bool
	Timeout time.Duration
}

// Definition is what an engine carries out: a *Saga[T].
type Definition interface {
	define() *plan.Definition
	bind(e *Engine) bool
}

// Call is the step that a context belongs to.
type Call struct {
	Saga, ID, Step string
	Undo           bool
	// Fence grows with each holder of the saga. Who is asked may refuse a smaller one
	// than it has seen.
	Fence   int64
	Attempt int // 1 for the first since the step began, or since a person said to try again
}

// Key is the same for all tries of a step of one saga: the idempotency key of what the
// step asks of others. It has at most 255 visible ASCII characters.
func (c Call) Key() string {
	direction := "/do"
	if c.Undo {
		direction = "/undo"
	}
	return c.Saga + "/" + c.ID + "/" + c.Step + direction
}

// Owner names the saga: for whom its steps take locks.
func (c Call) Owner() string { return c.Saga + "/" + c.ID }

type callKey struct{}

// called is a context of one try of a step.
type called struct {
	context.Context //nolint:containedctx // it is one

	call   Call
	reason string
}

// Value returns what StepOf and Reason look for, and else a value of the context that this one was made from.
func (c called) Value(key any) any {
	switch key.(type) {
	case callKey:
		return c.call
	case reasonKey:
		return c.reason
	}
	return c.Context.Value(key)
}

// StepOf returns the step that ctx, or the context it was made from, was given to. ok
// is false outside of steps.
func StepOf(ctx context.Context) (c Call, ok bool) {
	c, ok = ctx.Value(callKey{}).(Call)
	return c, ok
}
