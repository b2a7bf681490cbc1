package payments

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"

	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
)

// webhook is what the processor tells on its own, once, twice, or not at all.
type webhook struct {
	Key       string `json:"key" required:"true" min:"1" max:"255" doc:"Of the charge or refund."`
	Reference string `json:"reference" required:"true" min:"1" max:"100" doc:"The order."`
	ID        string `json:"id" required:"true" min:"1" max:"100"`
	State     string `json:"state" required:"true" enum:"captured,declined,refunded"`
	Cents     int64  `json:"cents" required:"true" min:"0"`
}

// routes returns the REST API. What is wrong with it, Err says.
func routes(s *payments) *rest.API {
	api := rest.New(rest.Info{Title: "Payments", Version: "1.0.0", Description: "For the card processor.", Log: s.log})
	rest.Post(api, "/webhooks/card", func(ctx context.Context, in webhook) (struct{}, error) {
		return struct{}{}, s.told(ctx, in)
	}, rest.ID("cardWebhook"), rest.Status(http.StatusNoContent), rest.Doc("A charge or a refund has ended", "May be repeated."),
		rest.Errors(problem.NotFound, problem.Conflict))
	return api
}

// told compares what the processor tells with what is known. It decides nothing: the
// saga asks until it has its answer. What contradicts is for a person to look at.
func (s *payments) told(ctx context.Context, in webhook) error {
	err := tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error {
		fresh, err := inbox.Insert(ctx, tx, "card-webhook", in.Key, in.State)
		if err != nil || !fresh {
			return err
		}
		p, found, err := lock(ctx, tx, in.Reference)
		switch {
		case err != nil:
			return err
		case !found:
			return problem.New(problem.NotFound, "there is no payment of order %q", in.Reference).WithField("reference", "unknown")
		}
		if known := p.contradicts(in); known != "" {
			return problem.New(problem.Conflict, "the money of order %q cannot be %s: it %s", p.Order, in.State, known).WithField("state", "contradicts what is known")
		}
		return nil
	})
	if code := problem.CodeOf(err); code == problem.NotFound || code == problem.Conflict {
		s.log.WarnContext(ctx, "the card processor tells what cannot be", "key", in.Key, "state", in.State, "cents", in.Cents, "error", err)
	}
	return err
}

// contradicts returns what is known of a payment that cannot be if in is true.
func (p payment) contradicts(in webhook) string {
	paid := p.Charge != ""
	switch {
	case in.Cents != p.Cents:
		return fmt.Sprintf("is of %d cents", p.Cents)
	case in.State == captured && (p.State == declined || p.State == void), in.State == declined && (paid || p.State == void):
		return "is " + p.State
	case in.State == captured && paid && in.ID != p.Charge:
		return "was captured as " + p.Charge
	case in.State == refunded && (!paid || p.State == captured):
		return "is " + p.State
	}
	return ""
}
