package inventory

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/musterdev/muster/problem"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
	"github.com/musterdev/muster/shop/query"
)

// The bounds of a request.
const (
	maxKey      = 255
	maxLines    = 100
	maxQuantity = 100_000
	maxTTL      = 24 * 60 * 60 // seconds
	defaultTTL  = 60
)

// checked returns a request's lines ordered by product, each product once.
func checked(req *inventoryv1.ReserveRequest) ([]*inventoryv1.Line, error) {
	if err := checkKey(req.GetKey()); err != nil {
		return nil, err
	}
	if n := len(req.GetLines()); n < 1 || n > maxLines {
		return nil, problem.New(problem.InvalidArgument, "%d lines are given; 1 to %d are taken", n, maxLines).WithField("lines", "out of range")
	}
	if n := req.GetTtlSeconds(); n < 0 || n > maxTTL {
		return nil, problem.New(problem.InvalidArgument, "ttl_seconds is %d; 1 to %d are taken, 0 means %d", n, maxTTL, defaultTTL).WithField("ttl_seconds", "out of range")
	}
	sums := map[string]int32{}
	for _, l := range req.GetLines() {
		if q := l.GetQuantity(); q < 1 || q > maxQuantity-sums[l.GetProduct()] {
			return nil, problem.New(problem.InvalidArgument, "product %q: the quantity is not from 1 to %d", l.GetProduct(), maxQuantity).WithField("lines.quantity", "out of range")
		}
		sums[l.GetProduct()] += l.GetQuantity()
	}
	lines := make([]*inventoryv1.Line, 0, len(sums))
	for _, product := range slices.Sorted(maps.Keys(sums)) {
		lines = append(lines, &inventoryv1.Line{Product: product, Quantity: sums[product]})
	}
	return lines, nil
}

func checkKey(key string) error {
	if key == "" || len(key) > maxKey {
		return problem.New(problem.InvalidArgument, "the key has %d characters; 1 to %d are taken", len(key), maxKey).WithField("key", "out of range")
	}
	return nil
}

func sameLine(a, b *inventoryv1.Line) bool {
	return a.GetProduct() == b.GetProduct() && a.GetQuantity() == b.GetQuantity()
}

// find reads a reservation in the form of the contract.
func find(ctx context.Context, tx *sql.Tx, key string) (*inventoryv1.Reservation, error) {
	state, found, err := query.One(ctx, tx, query.Value[string], `SELECT state FROM reservations WHERE key = $1`, key)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, problem.New(problem.NotFound, "there is no reservation %q", key)
	}
	lines, err := query.All(ctx, tx, func(l **inventoryv1.Line) []any {
		*l = &inventoryv1.Line{}
		return []any{&(*l).Product, &(*l).Quantity}
	}, `SELECT product, quantity FROM reservation_lines WHERE key = $1 ORDER BY product`, key)
	return &inventoryv1.Reservation{Key: key, Lines: lines, State: map[string]inventoryv1.State{
		"held":      inventoryv1.State_STATE_HELD,
		"confirmed": inventoryv1.State_STATE_CONFIRMED,
		"released":  inventoryv1.State_STATE_RELEASED,
	}[state]}, err
}

func gone(key string) error {
	return problem.New(problem.Gone, "reservation %q was released or has expired", key).WithField("key", "use a new one")
}

func unknownProduct(product string) error {
	return problem.New(problem.NotFound, "there is no product %q in stock", product)
}
