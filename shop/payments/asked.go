package payments

import (
	"cmp"
	"context"

	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/shop/events"
)

// onRequested has the money of an order captured. Asked once more, in another event, it
// answers once more.
func (s *payments) onRequested(ctx context.Context, tx tx.Tx, e events.PaymentRequest) error {
	p, fresh, err := enter(ctx, tx, payment{Order: e.Order, State: requested, Cents: e.Cents})
	switch {
	case err != nil:
		return err
	case fresh:
		return s.charge.Start(ctx, tx, e.Order, money{Order: e.Order, Cents: e.Cents})
	case p.State == requested: // the answer will come
		return nil
	case p.State == captured:
		return tellCaptured(ctx, tx, p)
	default:
		p.Reason = cmp.Or(p.Reason, "the order was given up")
		return tellDeclined(ctx, tx, p)
	}
}

// onRefundRequested gives the money of an order back, or sees to it that none is kept
// or taken.
func (s *payments) onRefundRequested(ctx context.Context, tx tx.Tx, e events.RefundRequest) error {
	p, _, err := enter(ctx, tx, payment{Order: e.Order, State: void})
	if err != nil {
		return err
	}
	switch p.State {
	case requested: // the end of the charge finds what is written here
		p.State = refunding
		return write(ctx, tx, p)
	case captured:
		return s.giveBack(ctx, tx, p)
	case refunding: // the answer will come
		return nil
	case refunded:
		return tellRefunded(ctx, tx, p.Order, p.Cents)
	default:
		return tellRefunded(ctx, tx, p.Order, 0)
	}
}

// giveBack starts the refund of what was captured.
func (s *payments) giveBack(ctx context.Context, tx tx.Tx, p payment) error {
	p.State = refunding
	if err := write(ctx, tx, p); err != nil {
		return err
	}
	return s.refund.Start(ctx, tx, p.Order, money{Order: p.Order, Cents: p.Cents, ID: p.Charge})
}

func tellCaptured(ctx context.Context, tx tx.Tx, p payment) error {
	return outbox.Append(ctx, tx, events.PaymentCaptured, p.Order, events.Payment{Order: p.Order, Charge: p.Charge, Cents: p.Cents})
}

func tellDeclined(ctx context.Context, tx tx.Tx, p payment) error {
	return outbox.Append(ctx, tx, events.PaymentDeclined, p.Order, events.Refusal{Order: p.Order, Reason: p.Reason})
}

func tellRefunded(ctx context.Context, tx tx.Tx, order string, cents int64) error {
	return outbox.Append(ctx, tx, events.PaymentRefunded, order, events.Refund{Order: order, Cents: cents})
}
