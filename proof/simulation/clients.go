package simulation

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/saga"
)

// client asks for one order until it knows that it was taken.
type client struct {
	*Process

	request string
	amount  int
	pieces  int
	answers []string
}

func (w *World) orderPlaces() []int {
	places := make([]int, w.plan.orders)
	for i := range places {
		places[i] = i
	}
	return places
}

func (w *World) partnerPlaces() []int {
	places := make([]int, w.plan.partners)
	for i := range places {
		places[i] = w.plan.orders + i
	}
	return places
}

// newClient makes one that begins at some time.
func (w *World) newClient(i int) *client {
	const cents = 20
	c := &client{
		Process: &Process{world: w, name: fmt.Sprint("client", i), place: -1, ctx: context.Background()},
		request: fmt.Sprint("order", i), amount: cents * (1 + w.rng.IntN(3)), pieces: 1 + w.rng.IntN(2),
	}
	w.after(time.Duration(w.rng.Int64N(int64(w.plan.chaos))), "", func() { w.all.Go(c.ask) })
	return c
}

// ask asks, and once more where that is the client's way.
func (c *client) ask() {
	times := 1
	if c.world.chance(c.world.plan.fickle*2, "twice", c.request) {
		times = 2
	}
	for try := 1; len(c.answers) < times; try++ {
		const patience = 2 * time.Second
		ctx, cancel := context.WithTimeout(c.ctx, patience)
		got := make(chan string, 1)
		err := c.call(ctx, "place "+c.request, c.world.orderPlaces(), func(ctx context.Context, at *Process) error {
			id, err := at.shop.place(ctx, c.request, at.world.number(), c.amount, c.pieces)
			if err == nil {
				select {
				case got <- id:
				default: // a copy of the request that came later: nobody waits for its answer
				}
			}
			return err
		})
		cancel()
		if err == nil {
			c.answers = append(c.answers, <-got)
			continue
		}
		if c.world.isOver() {
			return
		}
		timer := time.NewTimer(time.Duration(100*min(try, 10)) * time.Millisecond)
		<-timer.C
	}
}

// number is another each time.
func (w *World) number() int {
	w.wrong.Lock()
	defer w.wrong.Unlock()
	w.numbers++
	return w.numbers
}

// person interferes with a saga, and in the end has it go on.
func (w *World) person() {
	at := w.alive[w.orderPlaces()[w.rng.IntN(w.plan.orders)]]
	what := w.rng.IntN(4)
	if at.Dead() || at.shop == nil || at.shop.engine == nil {
		return
	}
	ctx, cancel := context.WithTimeout(at.ctx, 3*time.Second)
	defer cancel()
	note := saga.Note{By: "ann", Why: "to see what happens"}
	list, err := at.shop.engine.List(ctx, saga.Filter{})
	if err != nil || len(list) == 0 {
		return // an error of a database that is away
	}
	it := list[0]
	do := []func(context.Context, string, string, saga.Note) error{
		at.shop.engine.Pause, at.shop.engine.Retry, at.shop.engine.Compensate, at.shop.engine.Resume,
	}[what]
	_ = do(ctx, it.Name, it.ID, note) // what cannot be done in this state is refused
}

// helpful are people who look now and then: what is paused is retried, what is dead gets its tries back.
func (w *World) helpful() {
	const every = 2 * time.Second
	w.after(every, "", func() {
		w.helpful()
		for _, p := range w.alive {
			if !p.Dead() {
				w.all.Go(func() { p.help(every) })
			}
		}
	})
}

// help is what a person does at one process. What fails is done two seconds later.
func (p *Process) help(within time.Duration) {
	ctx, cancel := context.WithTimeout(p.ctx, within)
	defer cancel()
	if p.shop != nil && p.shop.engine != nil && p.place == 0 {
		list, _ := p.shop.engine.List(ctx, saga.Filter{State: saga.Paused})
		for _, it := range list {
			_ = p.shop.engine.Retry(ctx, it.Name, it.ID, saga.Note{By: "bob", Why: "it was paused"})
		}
	}
	if lot, group := p.lot(); lot != nil {
		if dead, _ := lot.List(ctx, parking.Filter{Dead: true}); len(dead) > 0 {
			_, _ = lot.RedriveAll(ctx, group)
		}
	}
}

// lot is where a process parks messages, for its group.
func (p *Process) lot() (*parking.Store, string) {
	if p.shop != nil {
		return p.shop.lot, "orders"
	}
	if p.side != nil {
		return p.side.lot, "stock"
	}
	return nil, ""
}
