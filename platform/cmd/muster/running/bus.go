package running

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/ops"
)

// Bus shows and mends how events fare.
type Bus struct {
	Topics  busTopics  `cmd:"" help:"List the topics that the broker has messages of."`
	Lag     busLag     `cmd:"" help:"Show who consumes, how far behind each is and what it has parked, and what waits in outboxes."`
	Dead    busDead    `cmd:"" help:"List the messages that wait for a person: nobody could handle them, or the broker refused them."`
	Redrive busRedrive `cmd:"" help:"Have a dead message tried again, a refused one published again, or all dead ones of a group."`
	Discard busDiscard `cmd:"" help:"Give a dead message up for ever; the later ones of its key go on."`
	Accept  busAccept  `cmd:"" help:"Let an outbox go on that publishes nothing because a part of its database's log is lost."`
}

type busTopics struct {
	Fleet
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *busTopics) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, err := f.Topics(ctx)
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(append([]bus.TopicInfo{}, list...))
	}
	return ops.WriteTopics(t.Out, list)
}

type busLag struct {
	Fleet
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *busLag) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	l, failed := f.Lag(ctx)
	if failed != nil {
		failed = terminal.Plain(failed)
		if l.Groups == nil && len(l.Parked) == 0 && len(l.Outboxes) == 0 { // nothing is known
			return failed
		}
	}
	if c.JSON {
		return errors.Join(t.JSON(l), failed)
	}
	return errors.Join(ops.WriteLag(t.Out, l), failed)
}

type busDead struct {
	Fleet
	Group string `placeholder:"GROUP" help:"Only those of this group: the service that was to handle them. Of refused ones there is none."`
	All   bool   `help:"Also those that wait: to be tried again, behind another of their key, or for their time."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (c *busDead) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	ask, write := f.Dead, ops.WriteDead
	if c.All {
		ask, write = f.Parked, ops.WriteParked
	}
	list, more, failed := ask(ctx, c.Group)
	if c.JSON {
		return errors.Join(t.JSON(append([]ops.Parked{}, list...)), failed)
	}
	return errors.Join(write(t.Out, list, more), failed)
}

type busRedrive struct {
	Fleet
	ID   string `arg:"" optional:"" placeholder:"ID" help:"The message, as muster bus dead shows it."`
	All  string `placeholder:"GROUP" help:"All dead messages of this group."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (c *busRedrive) Run(ctx context.Context, t terminal.Terminal) error {
	if (c.ID == "") == (c.All == "") {
		return terminal.Usagef("say either which message, as muster bus dead shows it, or --all GROUP")
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	n, what := int64(1), c.ID
	if c.ID != "" {
		_, err = f.Settle(ctx, c.ID, "redrive")
	} else {
		n, err = f.RedriveAll(ctx, c.All)
		what = fmt.Sprintf("%d dead messages of %s", n, c.All)
	}
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(map[string]int64{"redriven": n})
	}
	_, _ = fmt.Fprintf(t.Out, "%s: to be tried again now\n", what)
	return nil
}

type busDiscard struct {
	Fleet
	ID   string `arg:"" placeholder:"ID" help:"The message, as muster bus dead shows it."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (c *busDiscard) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	p, err := f.Settle(ctx, c.ID, "discard")
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(p)
	}
	_, _ = fmt.Fprintf(t.Out, "%s is given up: %s %s of %s\n", c.ID, p.Topic, cmp.Or(p.Event, "(unreadable)"), p.Source)
	return nil
}

type busAccept struct {
	Fleet
	Service string `arg:"" placeholder:"SERVICE" help:"Whose outbox it is, as muster bus lag shows it."`
	By      string `env:"USER" placeholder:"NAME" help:"Who takes the loss as it is; kept with the outbox."`
	Why     string `required:"" placeholder:"TEXT" help:"Why; kept with the outbox."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (c *busAccept) Run(ctx context.Context, t terminal.Terminal) error {
	note, err := (sagaNote{By: c.By, Why: c.Why}).note()
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	err = f.AcceptLoss(ctx, c.Service, outbox.Acceptance{By: note.By, Why: note.Why})
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(map[string]int{"accepted": 1})
	}
	_, _ = fmt.Fprintf(t.Out, "the outbox of %s goes on; what was lost stays lost\n", c.Service)
	return nil
}
