package shipping

import (
	"context"
	"log/slog"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest"
)

type getParcel struct {
	Order string `path:"order"`
}

// routes returns the REST API.
func routes(s *parcels, log *slog.Logger) (*rest.API, error) {
	api := rest.New(rest.Info{Title: "Shipping", Version: "1.0.0", Description: "What was sent.", Log: log})
	rest.Get(api, "/v1/parcels/{order}", func(ctx context.Context, in getParcel) (Parcel, error) {
		return find(ctx, s.db, in.Order)
	}, rest.ID("getParcel"), rest.Doc("The parcel of an order", ""), rest.Errors(problem.NotFound))
	return api, api.Err()
}
