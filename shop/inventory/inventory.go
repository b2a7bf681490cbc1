// Package inventory is the service that owns the stock and the rights to it. Pieces
// are free, reserved or sold, and only ever move between the three in one
// transaction, so that none is lost, sold twice, or reserved for nobody. How many are free
// is told everybody by event, of the same transaction.
package inventory

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"slices"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/background"
	"github.com/musterdev/muster/shop/clock"
	"github.com/musterdev/muster/shop/events"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
	"github.com/musterdev/muster/shop/query"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Server is the service's gRPC contract, carried out on its database. Its methods
// are safe for concurrent use, by any number of replicas.
type Server struct {
	inventoryv1.UnimplementedInventoryServer
	db *sql.DB
}

// NewServer returns the service on a migrated database that has the tables of package outbox.
func NewServer(db *sql.DB) *Server { return &Server{db: db} }

// Reserve takes the pieces of all lines under a key, or of none.
func (s *Server) Reserve(ctx context.Context, req *inventoryv1.ReserveRequest) (*inventoryv1.Reservation, error) {
	lines, err := checked(req)
	if err != nil {
		return nil, err
	}
	ttl := time.Duration(cmp.Or(req.GetTtlSeconds(), defaultTTL)) * time.Second
	made := &inventoryv1.Reservation{Key: req.GetKey(), State: inventoryv1.State_STATE_HELD, Lines: lines}
	err = tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error {
		now, err := clock.Now(ctx, tx)
		if err != nil {
			return err
		}
		// Of several transactions that insert one key, all but the first wait here
		// until it has ended, and then find what it left.
		fresh, err := query.Change(ctx, tx, `INSERT INTO reservations (key, state, expires_at) VALUES ($1, 'held', $2)
			ON CONFLICT (key) DO NOTHING`, req.GetKey(), now.Add(ttl).UnixMilli())
		if err != nil {
			return err
		}
		if fresh {
			return take(ctx, tx, made)
		}
		known, err := find(ctx, tx, req.GetKey())
		switch {
		case err != nil:
			return err
		case known.State == inventoryv1.State_STATE_RELEASED:
			return gone(req.GetKey())
		case !slices.EqualFunc(known.Lines, lines, sameLine):
			return problem.New(problem.Unprocessable, "reservation %q exists with other lines", req.GetKey()).WithField("key", "use a new one for other lines")
		}
		made = known
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// take moves pieces from free to reserved. Lines are ordered by product, here and
// wherever stock is changed, so that two transactions never wait for each other.
func take(ctx context.Context, tx *sql.Tx, r *inventoryv1.Reservation) error {
	var left []events.Level
	for _, l := range r.Lines {
		now, enough, err := query.One(ctx, tx, level, `UPDATE stock SET free = free - $1, reserved = reserved + $1, version = version + 1
			WHERE product = $2 AND free >= $1`+levels, l.Quantity, l.Product)
		if err != nil {
			return err
		}
		if !enough {
			return short(ctx, tx, l)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO reservation_lines (key, product, quantity) VALUES ($1, $2, $3)`, r.Key, l.Product, l.Quantity); err != nil {
			return err
		}
		left = append(left, now)
	}
	return tell(ctx, tx, r.Key, left)
}

// short tells why a line could not be taken.
func short(ctx context.Context, tx *sql.Tx, l *inventoryv1.Line) error {
	free, known, err := query.One(ctx, tx, query.Value[int64], `SELECT free FROM stock WHERE product = $1`, l.Product)
	switch {
	case err != nil:
		return err
	case !known:
		return unknownProduct(l.Product)
	default:
		return problem.New(problem.Conflict, "product %q is out of stock: %d asked for, %d free", l.Product, l.Quantity, free).
			WithField(l.Product, "out of stock")
	}
}

// Confirm sells the pieces held under a key.
func (s *Server) Confirm(ctx context.Context, req *inventoryv1.ConfirmRequest) (*inventoryv1.Reservation, error) {
	r, err := s.end(ctx, req.GetKey(), "confirmed", `UPDATE stock SET reserved = reserved - $1, sold = sold + $1, version = version + 1 WHERE product = $2`)
	if err == nil && r.State == inventoryv1.State_STATE_RELEASED {
		return nil, gone(r.Key)
	}
	return r, err
}

// Release gives back the pieces held under a key and remembers the key.
func (s *Server) Release(ctx context.Context, req *inventoryv1.ReleaseRequest) (*inventoryv1.Reservation, error) {
	if err := checkKey(req.GetKey()); err != nil {
		return nil, err
	}
	_, err := s.db.ExecContext(ctx, `INSERT INTO reservations (key, state, expires_at) VALUES ($1, 'released', 0) ON CONFLICT (key) DO NOTHING`, req.GetKey())
	if err != nil {
		return nil, err
	}
	r, err := s.end(ctx, req.GetKey(), "released", giveBack)
	if err == nil && r.State == inventoryv1.State_STATE_CONFIRMED {
		return nil, problem.New(problem.Conflict, "reservation %q is confirmed; what is sold is not released", r.Key)
	}
	return r, err
}

const giveBack = `UPDATE stock SET reserved = reserved - $1, free = free + $1, version = version + 1 WHERE product = $2`

// Expire releases the reservations whose time is over. Each is released once,
// however many replicas look at the same moment.
func (s *Server) Expire(ctx context.Context) error {
	now, err := clock.Now(ctx, s.db)
	if err != nil {
		return err
	}
	keys, err := query.All(ctx, s.db, query.Value[string], `SELECT key FROM reservations
		WHERE state = 'held' AND expires_at <= $1 ORDER BY expires_at LIMIT 16`, now.UnixMilli())
	if err != nil {
		return err
	}
	return background.Each(ctx, keys, func(ctx context.Context, key string) error {
		_, err := s.end(ctx, key, "released", giveBack)
		return err
	})
}

// end takes a held reservation to its last state and moves its pieces. One that has
// ended already is left as it is, and returned: of several that try, the update of
// the state succeeds for one.
func (s *Server) end(ctx context.Context, key, state, move string) (*inventoryv1.Reservation, error) {
	var r *inventoryv1.Reservation
	err := tx.Do(ctx, s.db, func(ctx context.Context, tx *sql.Tx) error {
		held, err := query.Change(ctx, tx, `UPDATE reservations SET state = $1 WHERE key = $2 AND state = 'held'`, state, key)
		if err != nil {
			return err
		}
		if r, err = find(ctx, tx, key); err != nil || !held {
			return err
		}
		var left []events.Level
		for _, l := range r.Lines {
			now, _, err := query.One(ctx, tx, level, move+levels, l.Quantity, l.Product)
			if err != nil {
				return err
			}
			left = append(left, now)
		}
		if state == "confirmed" { // which leaves what is free as it was
			return nil
		}
		return tell(ctx, tx, key, left)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}
