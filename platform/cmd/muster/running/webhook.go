package running

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/ops/partners"
	"github.com/musterdev/muster/platform/ops/topics"
	"github.com/musterdev/muster/webhook"
	"github.com/musterdev/muster/webhook/web"
)

// Webhook shows and mends what is sent to partners.
type Webhook struct {
	Ls      webhookLs      `cmd:"" help:"List the endpoints of all services, and how each fares."`
	Show    webhookShow    `cmd:"" help:"Show an endpoint with its last deliveries."`
	Replay  webhookReplay  `cmd:"" help:"Send deliveries again: one, or those of an endpoint that were given up."`
	Disable webhookDisable `cmd:"" help:"Send nothing more to an endpoint; its events wait."`
	Enable  webhookEnable  `cmd:"" help:"Send to an endpoint again, what waited first."`
}

type webhookLs struct {
	Fleet
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *webhookLs) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, failed := partners.Of(ctx, f)
	if c.JSON {
		return errors.Join(t.JSON(list), failed)
	}
	return errors.Join(partners.Write(t.Out, list), failed)
}

type webhookShow struct {
	Fleet
	Endpoint string `arg:"" placeholder:"ENDPOINT" help:"Its id, as muster webhook ls shows it."`
	State    string `enum:"waiting,delivered,dead,all" default:"all" placeholder:"STATE" help:"Only deliveries in this state: waiting, delivered, dead."`
	Limit    int    `default:"20" help:"At most so many deliveries."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

func (c *webhookShow) Run(ctx context.Context, t terminal.Terminal) error {
	if c.Limit < 1 || c.Limit > webhook.MostListed {
		return terminal.Usagef("--limit must be 1 to %d, not %d", webhook.MostListed, c.Limit)
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	state := webhook.State(c.State)
	if c.State == "all" {
		state = ""
	}
	d, err := partners.Show(ctx, f, c.Endpoint, state, c.Limit)
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(d)
	}
	return partners.WriteDetail(t.Out, d)
}

type webhookReplay struct {
	Fleet
	sagaNote

	Endpoint string        `arg:"" placeholder:"ENDPOINT" help:"Its id, as muster webhook ls shows it."`
	Delivery string        `arg:"" optional:"" placeholder:"DELIVERY" help:"Only this one, as muster webhook show shows it, whatever became of it."`
	Since    time.Duration `placeholder:"DURATION" help:"Only events of the last so long, such as 24h; without it all that are kept."`
	State    string        `enum:"delivered,dead" default:"dead" placeholder:"STATE" help:"Those that are dead, or delivered."`
	JSON     bool          `name:"json" help:"Print JSON."`
}

func (c *webhookReplay) Run(ctx context.Context, t terminal.Terminal) error {
	if c.Since < 0 || c.Delivery != "" && c.Since != 0 {
		return terminal.Usagef("--since is how long ago, and goes with an endpoint alone")
	}
	note, err := c.note()
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	n := int64(1)
	if c.Delivery != "" {
		err = partners.ReplayOne(ctx, f, c.Endpoint, c.Delivery, webhook.Note(note))
	} else {
		r := web.Range{Note: webhook.Note(note), Filter: webhook.Filter{Endpoint: c.Endpoint, State: webhook.State(c.State)}}
		if c.Since > 0 {
			r.From = time.Now().Add(-c.Since)
		}
		n, err = partners.Replay(ctx, f, r)
	}
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(web.Replayed{Replayed: n})
	}
	_, _ = fmt.Fprintf(t.Out, "%d deliveries to %s are sent again\n", n, c.Endpoint)
	return nil
}

type webhookDisable struct{ webhookSwitch }

func (c *webhookDisable) Run(ctx context.Context, t terminal.Terminal) error {
	return c.turn(ctx, t, false, false)
}

type webhookEnable struct {
	webhookSwitch

	Skip bool `help:"Give up what waited for it instead of sending it."`
}

func (c *webhookEnable) Run(ctx context.Context, t terminal.Terminal) error {
	return c.turn(ctx, t, true, c.Skip)
}

// webhookSwitch is a person's order to an endpoint.
type webhookSwitch struct {
	Fleet
	sagaNote

	Endpoint string `arg:"" placeholder:"ENDPOINT" help:"Its id, as muster webhook ls shows it."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

func (c *webhookSwitch) turn(ctx context.Context, t terminal.Terminal, on, skip bool) error {
	note, err := c.note()
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	e, err := partners.Switch(ctx, f, c.Endpoint, on, web.Switch{Note: webhook.Note(note), Skip: skip})
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(e)
	}
	return partners.Write(t.Out, []partners.Endpoint{e})
}

// AsyncAPI shows who sends and who receives which events.
type AsyncAPI struct {
	Fleet
	Service string `arg:"" optional:"" placeholder:"SERVICE" help:"Print the AsyncAPI document of this service; without it, all topics and who sends and receives each."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run runs the verb.
func (c *AsyncAPI) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	if c.Service != "" {
		text, err := topics.Document(ctx, f, c.Service)
		if err != nil {
			return terminal.Plain(err)
		}
		return t.JSON(text)
	}
	all, failed := topics.Documents(ctx, f)
	list, err := topics.Of(all)
	if err != nil {
		return terminal.Plain(err)
	}
	if c.JSON {
		return errors.Join(t.JSON(list), failed)
	}
	return errors.Join(topics.Write(t.Out, list), failed)
}
