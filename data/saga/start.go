package saga

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/saga/internal/watch"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// What Start and Answer return beside errors of the database. All cross HTTP and gRPC
// as problems.
var (
	// ErrExists says that there is a saga of this name and id: 409. Its data may be others.
	ErrExists = table.ErrExists
	// ErrNotFound says that there is no saga of this name and id: 404.
	ErrNotFound = table.ErrNotFound
	// ErrBusy says that the step is just being carried out, so that its answer cannot be
	// taken yet: 409, to be tried again after 100 ms.
	ErrBusy error = problem.New(problem.Conflict, "the saga's step is being carried out: answer again").WithRetryAfter(100 * time.Millisecond)

	errBadID   error = problem.New(problem.InvalidArgument, "the saga's id must be 1 to 128 visible ASCII characters without a slash").WithField("id", "1 to 128 visible ASCII characters, no /")
	errNoOwner       = errors.New("saga: the saga belongs to no engine: give it to saga.New before")
)

// Start begins a saga in the caller's transaction: it runs once that is committed, and
// never when it is not. id names it, for the caller, for answers and in the keys of
// its steps: 1 to 128 visible ASCII characters without a slash. ErrExists says that
// there is one of this id, whatever became of it; the transaction can go on.
//
// That holds for as long as the saga is kept: [Config].Keep, 30 days, after it ended it
// is deleted, and its id can be started again, with the same keys as the first time. Who
// must refuse an id for longer keeps a row of his own, as the order itself is.
func (s *Saga[T]) Start(ctx context.Context, tx tx.Tx, id string, data T) error {
	e, first, err := s.first(ctx, id, data)
	if err != nil {
		return err
	}
	if err := e.table.Insert(ctx, tx, first); err != nil {
		return err
	}
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("muster.saga.name", s.Name), attribute.String("muster.saga.id", id))
	e.wakeAfter(ctx)
	return nil
}

// Begin is [Saga.Start] where nothing else is to be committed with the saga: it is committed when
// Begin returns, together with others that begin at the same time. The engine of this
// process carries it on at once where it runs and has a worker free. It must not be
// called within a transaction of the same database.
//
// When Begin fails with an error of the database, or ctx ended, the saga may have begun
// nevertheless: begin it again, and take ErrExists for success.
func (s *Saga[T]) Begin(ctx context.Context, id string, data T) error {
	e, first, err := s.first(ctx, id, data)
	if err != nil {
		return err
	}
	r := e.active.Load()
	if r == nil || !r.held.Reserve(r.workers, &r.worker) {
		row := first // so that only this one goes to the heap
		if err := e.table.Open(ctx, &row); err != nil {
			return err
		}
		e.Wake()
	} else if err := r.open(ctx, first); err != nil {
		return err
	}
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("muster.saga.name", s.Name), attribute.String("muster.saga.id", id))
	return nil
}

// first is the row of a saga that begins.
func (s *Saga[T]) first(ctx context.Context, id string, data T) (*Engine, table.Row, error) {
	e := s.engine.Load()
	if e == nil {
		return nil, table.Row{}, errNoOwner
	}
	if err := checkID(id); err != nil {
		return nil, table.Row{}, err
	}
	recorded, err := table.Encode(data)
	if err != nil {
		return nil, table.Row{}, err
	}
	d := e.defs[table.Version{Name: s.Name, Number: s.Version}]
	return e, table.Row{Name: s.Name, ID: id, Version: s.Version, State: Running, Step: d.Steps[0].Name, Data: recorded, Trace: watch.TraceOf(ctx)}, nil
}

// Answer ends the Do of a step that returned [Wait], in the caller's transaction: nil
// as result means that it is done, [Reject] that it was refused; any other error is
// judged as if Do had returned it. update, which may be nil, changes the saga's data.
//
// An answer may come more than once, and late: one for a step that is done, or is being
// undone, changes nothing and is no error. One for a step that is backing off or paused
// ends it too. Errors: ErrNotFound; ErrBusy while the step is just being carried out;
// failed_precondition when the saga has not come to the step; invalid_argument when it
// has no such step. After each of them the transaction can go on.
func (s *Saga[T]) Answer(ctx context.Context, tx tx.Tx, id, step string, result error, update func(data *T)) error {
	return s.answer(ctx, tx, id, step, false, result, update)
}

// AnswerUndo is Answer for an Undo that returned [Wait]. The two are apart, so that a
// late answer to what was asked first is not taken for one to its undoing.
func (s *Saga[T]) AnswerUndo(ctx context.Context, tx tx.Tx, id, step string, result error, update func(data *T)) error {
	return s.answer(ctx, tx, id, step, true, result, update)
}

// checkID refuses what is not 1 to 128 visible ASCII characters without a slash.
func checkID(id string) error {
	ok := id != "" && len(id) <= 128
	for _, c := range []byte(id) {
		ok = ok && c > ' ' && c <= '~' && c != '/'
	}
	if !ok {
		return errBadID
	}
	return nil
}
