package card

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
)

type chargeCard struct {
	Key       string `header:"Idempotency-Key" required:"true" min:"1" max:"255" doc:"Makes the same charge, sent twice, one charge."`
	Reference string `json:"reference" required:"true" min:"1" max:"100" doc:"The merchant's own name of it."`
	Cents     int64  `json:"cents" required:"true" min:"1" max:"100000000000"`
}

type refundCharge struct {
	Key       string `header:"Idempotency-Key" required:"true" min:"1" max:"255" doc:"Makes the same refund, sent twice, one refund."`
	Reference string `json:"reference" required:"true" min:"1" max:"100" doc:"All that was captured under it is given back."`
}

// routes returns the REST API. What is wrong with it, Err says.
func routes(p *processor, log *slog.Logger) *rest.API {
	api := rest.New(rest.Info{Title: "Card processor", Version: "1.0.0", Description: "A simulation of somebody else's service.", Log: log})
	rest.Post(api, "/v1/charges", func(ctx context.Context, in chargeCard) (Result, error) {
		return p.do(ctx, request{charge, in.Key, in.Reference, in.Cents})
	}, rest.ID("charge"), rest.Status(http.StatusCreated), rest.Doc("Capture money", "Declined is an answer, not an error. The same key again gets the same answer."),
		rest.Errors(problem.Unprocessable))
	rest.Post(api, "/v1/refunds", func(ctx context.Context, in refundCharge) (Result, error) {
		return p.do(ctx, request{Kind: refund, Key: in.Key, Reference: in.Reference})
	}, rest.ID("refund"), rest.Status(http.StatusCreated), rest.Doc("Give money back", "What is back already is not given back again, whatever the key."),
		rest.Errors(problem.Conflict, problem.Unprocessable))
	return api
}
