// Package shipping is the service that books a parcel for each order that asks for
// one. It is a queue worker: it is asked by event and answers by event. The note that
// a request was handled, the parcel and the answer are one commit, so whatever crashes
// when, an order has one parcel and gets its answer.
package shipping

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/clock"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/query"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Parcel is what is sent for an order.
type Parcel struct {
	ID     string    `json:"id"`
	Order  string    `json:"order"`
	Pieces int64     `json:"pieces"`
	Booked time.Time `json:"booked"`
}

// parcels keeps the parcels in a database. It is safe for concurrent use, by any
// number of replicas.
type parcels struct {
	db  *sql.DB
	now string // SQL for the database's clock
}

func newParcels(db *sql.DB) (*parcels, error) {
	dialect, err := tx.DialectOf(db)
	return &parcels{db: db, now: dialect.Now()}, err
}

// book books the parcel of an order and tells so. An order that asks once more, in
// another event, is told of the same parcel. A request that can never be carried out
// is put aside for a person.
func (s *parcels) book(ctx context.Context, tx tx.Tx, asked events.Shipment) error {
	if asked.Order == "" || asked.Pieces < 1 {
		return bus.Final(problem.New(problem.Unprocessable, "order %q asks to ship %d pieces", asked.Order, asked.Pieces))
	}
	// Of several transactions that book for one order, all but the first wait here
	// until it has ended, and then find its parcel.
	if _, err := tx.ExecContext(ctx, `INSERT INTO parcels (id, order_id, pieces, created_at) VALUES ($1, $2, $3, `+s.now+`)
		ON CONFLICT (order_id) DO NOTHING`, "p-"+strings.ToLower(rand.Text()), asked.Order, asked.Pieces); err != nil {
		return err
	}
	p, err := find(ctx, tx, asked.Order)
	if err != nil {
		return err
	}
	if p.Pieces != asked.Pieces {
		return bus.Final(problem.New(problem.Unprocessable, "order %q has shipped %d pieces and asks to ship %d", asked.Order, p.Pieces, asked.Pieces))
	}
	return outbox.Append(ctx, tx, events.ParcelBooked, asked.Order, events.Parcel{Order: asked.Order, Parcel: p.ID})
}

func fields(p *Parcel) []any {
	return []any{&p.ID, &p.Order, &p.Pieces, clock.Milliseconds(&p.Booked)}
}

// find returns the parcel of an order.
func find(ctx context.Context, r query.Runner, order string) (Parcel, error) {
	p, found, err := query.One(ctx, r, fields, `SELECT id, order_id, pieces, created_at FROM parcels WHERE order_id = $1`, order)
	if err == nil && !found {
		err = problem.New(problem.NotFound, "there is no parcel for order %q", order)
	}
	return p, err
}
