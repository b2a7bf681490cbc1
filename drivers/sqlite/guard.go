package sqlite

import "context"

// plan is what a query, of one statement or several, means for the lock.
type plan struct {
	writes  bool // some statement writes
	control bool // some statement begins or ends a transaction
}

func planOf(query string) (p plan) {
	for query != "" {
		var k kind
		k, query = classify(query)
		p.writes = p.writes || k == writes
		p.control = p.control || k == controls
	}
	return p
}

// guard executes statements with the lock their plan needs.
func (c *conn) guard(ctx context.Context, p plan, run func() error) error {
	switch {
	case c.state == ended:
		return errEnded
	case c.state == readOnly && p.writes: // as PostgreSQL does
		return &dbError{state: readOnlyTransaction, message: "sqlite: cannot write in a read-only transaction: begin it without ReadOnly"}
	case c.state == readOnly, c.state == writing: // BeginTx took what is needed
		err := run()
		if p.control || err != nil {
			c.recheck(ctx)
		}
		return c.from.explain(err)
	case c.state == byHand:
		err := run()
		if p.control || err != nil {
			c.lookAround(ctx)
		}
		return c.from.explain(err)
	case p == plan{}:
		return c.from.explain(run())
	}
	if err := c.acquire(ctx); err != nil {
		return err
	}
	err := run()
	if p.control {
		c.lookAround(ctx)
	}
	c.release()
	return c.from.explain(err)
}

// lookAround finds out whether a transaction is open after statements that may
// have begun or ended one, or have failed half-way.
func (c *conn) lookAround(ctx context.Context) {
	if c.probe(ctx) != nil {
		c.state = byHand
		return
	}
	c.state = none
	c.release()
}

// errEnded refuses what would be committed by itself, whatever becomes of the
// transaction it was meant for. PostgreSQL goes on so after any error.
var errEnded = &dbError{state: inFailedTransaction, message: "sqlite: the transaction has ended already, by a statement in it or by an error for which SQLite rolls all of it back: roll back, then begin again"}

// recheck ends the transaction of BeginTx when it is no longer open in the engine:
// SQLite rolls back all of it when a write is interrupted, the disk fails or is full,
// or OR ROLLBACK says so. One that cannot be asked about counts as ended.
func (c *conn) recheck(ctx context.Context) {
	if c.state != writing && c.state != readOnly {
		return
	}
	if !isPlainError(c.probe(ctx)) {
		c.state = ended
	}
}

// probe returns nil when no transaction is open: SQLite begins none inside another.
func (c *conn) probe(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if _, err := c.inner.ExecContext(ctx, "BEGIN", nil); err != nil {
		return err
	}
	_, _ = c.inner.ExecContext(ctx, "ROLLBACK", nil) // of a transaction that did nothing
	return nil
}
