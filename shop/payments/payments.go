// Package payments is the service that has the money of orders captured, and given
// back, by a card processor. It is asked by event and answers by event. Each order has
// one row, which says what was asked for and what came of it; a saga does the asking of
// the processor, which may be slow, say nothing, or say all things twice.
package payments

import (
	"context"
	"database/sql"
	"embed"
	"log/slog"
	"net/http"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/clock"
	"github.com/musterdev/muster/shop/query"
)

//go:embed migrations/*.sql
var migrations embed.FS

// The states of a payment.
const (
	requested = "requested" // the charge is under way
	captured  = "captured"
	declined  = "declined"
	refunding = "refunding" // to be given back: as soon as the charge has ended, if it is under way
	refunded  = "refunded"
	void      = "void" // not asked for when it was asked back: never to be captured
)

// payment is an order's row.
type payment struct {
	Order, State string
	Cents        int64
	Charge       string // the processor's name of what was captured
	Reason       string // why none was
}

// payments keeps payments in a database. It is safe for concurrent use, by any number
// of replicas.
type payments struct {
	db     *sql.DB
	card   *http.Client
	charge *saga.Saga[money]
	refund *saga.Saga[money]
	log    *slog.Logger
}

func newPayments(db *sql.DB, card *http.Client, log *slog.Logger) *payments {
	s := &payments{db: db, card: card, log: log}
	s.charge, s.refund = newCharge(s), newRefund(s)
	return s
}

// enter writes a payment's row, unless the order has one: then that is returned. From
// here on no other transaction changes it.
func enter(ctx context.Context, tx tx.Tx, p payment) (_ payment, fresh bool, err error) {
	now, err := clock.Now(ctx, tx)
	if err != nil {
		return p, false, err
	}
	fresh, err = query.Change(ctx, tx, `INSERT INTO payments (order_id, state, cents, charge, reason, created_at)
		VALUES ($1, $2, $3, '', '', $4) ON CONFLICT (order_id) DO NOTHING`, p.Order, p.State, p.Cents, now.UnixMilli())
	if err == nil && !fresh {
		p, _, err = lock(ctx, tx, p.Order)
	}
	return p, fresh, err
}

// lock reads a payment that no other transaction changes from here on. An update does
// that with every engine.
func lock(ctx context.Context, tx tx.Tx, order string) (payment, bool, error) {
	return query.One(ctx, tx, func(p *payment) []any { return []any{&p.Order, &p.State, &p.Cents, &p.Charge, &p.Reason} },
		`UPDATE payments SET state = state WHERE order_id = $1 RETURNING order_id, state, cents, charge, reason`, order)
}

// write changes a payment that is locked.
func write(ctx context.Context, tx tx.Tx, p payment) error {
	_, err := tx.ExecContext(ctx, `UPDATE payments SET state = $1, charge = $2, reason = $3 WHERE order_id = $4`, p.State, p.Charge, p.Reason, p.Order)
	return err
}
