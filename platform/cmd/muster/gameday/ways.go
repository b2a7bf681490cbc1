package gameday

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/moves"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/problem"
)

// Partition cuts the way from cart to catalog: the shop's registry stands behind edges,
// by fault.Registry.
func Partition(ctx context.Context, shop *reference.Fleet, edges *fault.Edges, length time.Duration, rate load.Rate, seed uint64) (*drill.Report, error) {
	return moves.Partition(ctx, moves.Cut{
		Edges: edges, Edge: fault.Edge{From: "cart", To: "catalog"}, For: length, Rate: rate, Plan: plan(shop, seed),
		Others: []load.Flow{browse(), look()}, Needs: []load.Flow{fill()}, Without: "a cart's lines without their prices",
		Whole: func(ctx context.Context) error { return priced(ctx, shop.URL) },
	})
}

// priced puts something into a new cart and returns an error when its price is missing.
func priced(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, clientFor)
	defer cancel()
	var cart struct {
		ID string `json:"id"`
	}
	if err := post(ctx, base+"/v1/carts", map[string]any{}, &cart); err != nil {
		return err
	}
	var line struct {
		Price *int64 `json:"price"`
	}
	if err := post(ctx, base+"/v1/carts/"+url.PathEscape(cart.ID)+"/lines", map[string]any{"product": reference.Product, "quantity": 1}, &line); err != nil {
		return err
	}
	if line.Price == nil {
		return errors.New("the line has no price")
	}
	return nil
}

func post(ctx context.Context, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("POST %s: %w", target, problem.FromResponse(res))
	}
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(out)
}
