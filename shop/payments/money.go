package payments

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// patience is how long the processor may take to answer. Then it is asked again, under
// the same key: what it did meanwhile it tells, and does not do twice.
const patience = time.Second

// money is what the sagas charge and refund keep.
type money struct {
	Order string `json:"order"`
	Cents int64  `json:"cents"`
	ID    string `json:"id,omitempty"` // the processor's name of it
}

// newCharge returns the saga that captures: it is decided with the processor's answer,
// and what follows is told.
func newCharge(s *payments) *saga.Saga[money] {
	return &saga.Saga[money]{
		Name: "charge", Version: 1,
		Steps: []saga.Step[money]{
			saga.Remote[money]{Name: "capture", Do: s.capture, Pivot: true, Timeout: patience},
			saga.Local[money]{Name: "settle", Do: s.settle},
		},
		Compensated: s.decline,
	}
}

// newRefund returns the saga that gives back. The processor has no reason to refuse.
func newRefund(s *payments) *saga.Saga[money] {
	return &saga.Saga[money]{
		Name: "refund", Version: 1,
		Steps: []saga.Step[money]{
			saga.Remote[money]{Name: "repay", Do: s.repay, Pivot: true, Timeout: patience},
			saga.Local[money]{Name: "settle", Do: s.repaid},
		},
	}
}

func (s *payments) capture(ctx context.Context, m *money) error {
	res, err := s.ask(ctx, "/v1/charges", map[string]any{"reference": m.Order, "cents": m.Cents})
	switch {
	case err != nil:
		return err
	case res.State == declined:
		return saga.Reject("the card was declined")
	case res.State != captured || res.Cents != m.Cents:
		return saga.Bug(fmt.Errorf("the charge of order %s is %+v, and %d cents were to be captured", m.Order, res, m.Cents))
	}
	m.ID = res.ID
	return nil
}

// settle writes down what was captured: to be kept, or to be given back at once.
func (s *payments) settle(ctx context.Context, tx tx.Tx, m *money) error {
	p, _, err := lock(ctx, tx, m.Order)
	if err != nil {
		return err
	}
	p.Charge = m.ID
	if p.State == refunding {
		return s.giveBack(ctx, tx, p)
	}
	p.State = captured
	if err := write(ctx, tx, p); err != nil {
		return err
	}
	return tellCaptured(ctx, tx, p)
}

// decline writes down that nothing was captured. Who has asked for it back meanwhile
// waits for that answer.
func (s *payments) decline(ctx context.Context, tx tx.Tx, m *money, reason string) error {
	p, _, err := lock(ctx, tx, m.Order)
	if err != nil {
		return err
	}
	askedBack := p.State == refunding
	p.State, p.Reason = declined, reason
	if err := write(ctx, tx, p); err != nil {
		return err
	}
	if askedBack {
		return tellRefunded(ctx, tx, p.Order, 0)
	}
	return tellDeclined(ctx, tx, p)
}

func (s *payments) repay(ctx context.Context, m *money) error {
	res, err := s.ask(ctx, "/v1/refunds", map[string]any{"reference": m.Order})
	switch problem.CodeOf(err) {
	case "":
		if res.State != refunded || res.Cents != m.Cents {
			err = saga.Bug(fmt.Errorf("the refund of order %s is %+v, and %d cents were to be given back", m.Order, res, m.Cents))
		}
	case problem.InvalidArgument, problem.NotFound, problem.Conflict, problem.Unprocessable:
		err = saga.Bug(err) // refused: there is no other way to give money back, a person has to look
	}
	return err
}

// repaid writes down that the money is back.
func (s *payments) repaid(ctx context.Context, tx tx.Tx, m *money) error {
	p, _, err := lock(ctx, tx, m.Order)
	if err != nil {
		return err
	}
	p.State = refunded
	if err := write(ctx, tx, p); err != nil {
		return err
	}
	return tellRefunded(ctx, tx, p.Order, p.Cents)
}
