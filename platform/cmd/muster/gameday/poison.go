package gameday

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/shop/events"
	"github.com/musterdev/muster/shop/shopper"
)

const (
	cardAway  = 3 * time.Second  // keeps an order from being shipped before the poison is there
	shownIn   = 5 * time.Second  // how soon a message that cannot be handled is shown
	orderEnds = 15 * time.Second // how soon an order ends that nothing is in the way of
	lookAgain = 50 * time.Millisecond
	attempts  = 5
	poisoned  = "shipping" // the service
)

// poison is a message that shipping cannot read, and an order whose message for
// shipping comes behind it.
type poison struct {
	shop   *reference.Fleet
	muster Command
	client *http.Client
}

func newPoison(shop *reference.Fleet, muster Command) *poison {
	return &poison{shop: shop, muster: muster, client: &http.Client{Timeout: reference.AnswerWithin}}
}

// drill poisons one order's way to shipping: its order waits and others do not, until a
// person has the message tried again, in vain, and then gives it up.
func (p *poison) drill(ctx context.Context, r *drill.Report, promised shopper.Ledger) error {
	held, dead, err := p.begin(ctx)
	if err != nil {
		return err
	}
	r.Add("unreadable message shown as dead", fmt.Sprintf("within %s", shownIn), told(dead), dead.ID != "")
	if dead.ID == "" {
		return nil
	}
	other, err := p.buy(ctx)
	if err != nil {
		return err
	}
	state, took := p.end(ctx, other.ID, orderEnds)
	r.Add("another order meanwhile", "ends", fmt.Sprintf("%s in %s", state, took), shopper.Ended(state))
	state, _ = p.end(ctx, held.ID, 0)
	r.Add("its own order", "waits", state, state == shopper.Pending)

	err = p.order(ctx, "redrive", dead.Name())
	again := p.dead(ctx, held.ID, dead.Next)
	r.Add("tried again by muster bus redrive", "dead again", or(err, told(again)), err == nil && again.ID != "")
	err = p.order(ctx, "discard", dead.Name())
	r.Add("given up by muster bus discard", "succeeds", or(err, "it did"), err == nil)
	state, took = p.end(ctx, held.ID, orderEnds)
	r.Add("its own order then", "confirmed", fmt.Sprintf("%s in %s", state, took), state == shopper.Confirmed)

	promised.Orders = append(promised.Orders, held, other)
	found, err := p.shop.Verify(ctx, promised, quietFor)
	r.Add("invariants violated in the end", "0", violated(found.Violations), len(found.Violations) == 0)
	for _, v := range found.Violations {
		r.Note("%s", v)
	}
	return err
}

// begin poisons the way of an order that has been paid by then. One whose card was
// declined goes to nobody who ships: then the next is tried.
func (p *poison) begin(ctx context.Context) (held shopper.Order, dead ops.Parked, err error) {
	for range attempts {
		// without the card processor the order cannot overtake the poison
		if err := p.shop.Processes().KillFor(p.card(), cardAway); err != nil {
			return held, dead, err
		}
		if held, err = p.buy(ctx); err != nil {
			return held, dead, err
		}
		if err := p.publish(ctx, held.ID); err != nil {
			return held, dead, err
		}
		if dead = p.dead(ctx, held.ID, time.Time{}); dead.ID == "" {
			return held, dead, ctx.Err()
		}
		if paid, err := p.paid(ctx, held.ID); paid || err != nil {
			return held, dead, err
		}
		if err := p.order(ctx, "discard", dead.Name()); err != nil {
			return held, dead, err
		}
	}
	return held, dead, fmt.Errorf("the cards of %d orders were declined: run the drill again", attempts)
}

// card returns the card processor's only instance.
func (p *poison) card() string {
	for _, id := range p.shop.Victims()["card"] {
		return id
	}
	return "card"
}

// buy orders one thing.
func (p *poison) buy(ctx context.Context) (shopper.Order, error) {
	var cart, order struct {
		ID string `json:"id"`
	}
	if err := p.post(ctx, p.shop.URL+"/v1/carts", nil, struct{}{}, &cart); err != nil {
		return shopper.Order{}, err
	}
	line := map[string]any{"product": reference.Product, "quantity": 1}
	if err := p.post(ctx, p.shop.URL+"/v1/carts/"+cart.ID+"/lines", nil, line, nil); err != nil {
		return shopper.Order{}, err
	}
	err := p.post(ctx, p.shop.URL+"/v1/orders", nil, map[string]string{"cart": cart.ID}, &order)
	return shopper.Order{Cart: cart.ID, ID: order.ID, State: shopper.Pending}, err
}

// publish sends an event to shipping that is not what its type says, about an order.
func (p *poison) publish(ctx context.Context, order string) error {
	return p.post(ctx, p.ops().Broker+"/v1/events", map[string]string{
		"ce-specversion": "1.0", "ce-id": rand.Text(), "ce-source": "/drill", "ce-type": events.ShippingRequested.Name, "ce-partitionkey": order,
	}, "nonsense", nil)
}

// dead waits until a message of an order is shown as dead, after it was tried last
// before. It returns nothing when that does not come.
func (p *poison) dead(ctx context.Context, order string, before time.Time) (dead ops.Parked) {
	p.until(ctx, shownIn, func() bool {
		list, _, err := p.ops().Dead(ctx, poisoned)
		for _, one := range list {
			if err == nil && one.Key == order && one.Next.After(before) {
				dead = one
			}
		}
		return dead.ID != ""
	})
	return dead
}

// told is how a dead message is told of.
func told(dead ops.Parked) string {
	if dead.ID == "" {
		return "never"
	}
	return dead.Name() + ", attempts: " + strconv.Itoa(dead.Attempts)
}

// paid waits until payments knows whether an order's money was captured.
func (p *poison) paid(ctx context.Context, order string) (bool, error) {
	db, err := p.shop.Database(ctx, "payments")
	if err != nil {
		return false, err
	}
	defer func() { _ = db.Close() }() // it was only read
	var state string
	p.until(ctx, cardAway+orderEnds, func() bool {
		err = db.QueryRowContext(ctx, `SELECT state FROM payments WHERE order_id = $1 AND state IN ('captured', 'declined')`, order).Scan(&state)
		return !errors.Is(err, sql.ErrNoRows)
	})
	return state == "captured", err
}

// order gives an order of a person's by the command line.
func (p *poison) order(ctx context.Context, what, name string) error {
	return p.muster(ctx, "bus", what, "-C", p.shop.Dir, name)
}

// end waits for an order's end and returns its state.
func (p *poison) end(ctx context.Context, id string, within time.Duration) (state string, took time.Duration) {
	began := time.Now()
	p.until(ctx, within, func() bool {
		var o struct {
			State string `json:"state"`
		}
		if err := p.ask(ctx, http.MethodGet, p.shop.URL+"/v1/orders/"+id, nil, nil, &o); err != nil {
			state = err.Error()
		} else {
			state = o.State
		}
		return shopper.Ended(state)
	})
	return state, time.Since(began).Round(10 * time.Millisecond)
}

// until looks at least once, and again until it is so or the time is over.
func (p *poison) until(ctx context.Context, within time.Duration, so func() bool) {
	for end := time.Now().Add(within); !so() && time.Now().Before(end); {
		if pauseFor(ctx, lookAgain) != nil {
			return
		}
	}
}

func (p *poison) ops() *ops.Fleet { return ops.Of(p.shop.Processes().Status()) }

func (p *poison) post(ctx context.Context, url string, header map[string]string, body, out any) error {
	return p.ask(ctx, http.MethodPost, url, header, body, out)
}

func (p *poison) ask(ctx context.Context, method, url string, header map[string]string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.200s", method, url, res.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// or returns the first of its arguments that says something.
func or(all ...any) string {
	for _, v := range all {
		if text := fmt.Sprint(v); v != nil && text != "" {
			return text
		}
	}
	return ""
}
