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
	case c.state == readOnly && p.writes: // as PostgreSQL does
		return &dbError{state: readOnlyTransaction, message: "sqlite: cannot write in a read-only transaction: begin it without ReadOnly"}
	case c.state == readOnly, c.state == writing: // BeginTx took what is needed
		return c.from.explain(run())
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
// have begun or ended one, or have failed half-way: SQLite begins none inside another.
func (c *conn) lookAround(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if _, err := c.inner.ExecContext(ctx, "BEGIN", nil); err != nil {
		c.state = byHand
		return
	}
	c.state = none
	_, _ = c.inner.ExecContext(ctx, "ROLLBACK", nil) // of a transaction that did nothing
	c.release()
}
