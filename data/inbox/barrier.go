package inbox

import (
	"context"
	"strings"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Barrier is for a service that takes part in the sagas of others: it is asked to do a
// step and to undo it, each perhaps twice, and the one perhaps after the other although it was
// asked before. It says, in the transaction of the effect, whether there is something to do:
//
//   - a Do that was done, or an Undo that was, has no second effect;
//   - an Undo whose Do never came has none (null compensation);
//   - a Do that comes after its Undo has none, and is told so (hanging).
//
// It keeps its notes in the table of [Migrate], and [Sweep] deletes them: choose its time longer
// than any saga may take.
type Barrier struct {
	Name string // of the operation, such as "stock.reserve"
}

// ErrUndone says that a Do came after its Undo: 409, and no later try will do better.
var ErrUndone error = problem.New(problem.Conflict, "this step was undone before it came")

// The ids of a step's two notes.
const (
	doing   = "do"
	undoing = "undo"
)

// Do reports whether the effect is to be made: false for a repetition, to be answered as the
// first was. key is that of the step's saga, without its direction or with: the Idempotency-Key that it
// sent. It waits for another transaction that is just doing or undoing the same.
func (b Barrier) Do(ctx context.Context, t tx.Tx, key string) (run bool, err error) {
	key = strings.TrimSuffix(key, "/"+doing)
	if run, err = Insert(ctx, t, b.Name, key, doing); err != nil || run {
		return run, err
	}
	var undone int
	if err := t.QueryRowContext(ctx, `SELECT count(*) FROM muster_inbox WHERE consumer = $1 AND source = $2 AND id = $3`, b.Name, key, undoing).Scan(&undone); err != nil {
		return false, explained(err)
	}
	if undone > 0 {
		return false, ErrUndone
	}
	return false, nil
}

// Undo reports whether the effect is to be taken back: false for a repetition, and where there never
// was one. Then too the Undo has succeeded. key and waiting are those of Do.
func (b Barrier) Undo(ctx context.Context, t tx.Tx, key string) (run bool, err error) {
	key = strings.TrimSuffix(key, "/"+undoing)
	// The Do's note first, as Do does, so that of two transactions none waits for the other in
	// turn; made here it says that there will be none.
	never, err := Insert(ctx, t, b.Name, key, doing)
	if err != nil {
		return false, err
	}
	first, err := Insert(ctx, t, b.Name, key, undoing)
	return first && !never, err
}
