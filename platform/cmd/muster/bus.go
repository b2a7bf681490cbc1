package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/platform/ops"
)

// busCmd shows and mends how events fare.
type busCmd struct {
	Topics  busTopicsCmd  `cmd:"" help:"List the topics that the broker has messages of."`
	Lag     busLagCmd     `cmd:"" help:"Show who consumes, how far behind each is and what it has parked, and what waits in outboxes."`
	Dead    busDeadCmd    `cmd:"" help:"List the messages that wait for a person: nobody could handle them, or the broker refused them."`
	Redrive busRedriveCmd `cmd:"" help:"Have a dead message tried again, a refused one published again, or all dead ones of a group."`
	Discard busDiscardCmd `cmd:"" help:"Give a dead message up for ever; the later ones of its key go on."`
}

type busTopicsCmd struct {
	fleetDir
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *busTopicsCmd) Run(ctx context.Context, t terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, err := f.Topics(ctx)
	switch {
	case err != nil:
		return plain(err)
	case c.JSON:
		return writeJSON(t.out, append([]bus.TopicInfo{}, list...))
	}
	return ops.WriteTopics(t.out, list)
}

type busLagCmd struct {
	fleetDir
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *busLagCmd) Run(ctx context.Context, t terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	l, failed := f.Lag(ctx)
	if failed != nil {
		failed = plain(failed)
		if l.Groups == nil && len(l.Parked) == 0 && len(l.Outboxes) == 0 { // nothing is known
			return failed
		}
	}
	if c.JSON {
		return errors.Join(writeJSON(t.out, l), failed)
	}
	return errors.Join(ops.WriteLag(t.out, l), failed)
}

type busDeadCmd struct {
	fleetDir
	Group string `placeholder:"GROUP" help:"Only those of this group: the service that was to handle them. Of refused ones there is none."`
	All   bool   `help:"Also those that wait: to be tried again, behind another of their key, or for their time."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (c *busDeadCmd) Run(ctx context.Context, t terminal) error {
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
		return errors.Join(writeJSON(t.out, append([]ops.Parked{}, list...)), failed)
	}
	return errors.Join(write(t.out, list, more), failed)
}

type busRedriveCmd struct {
	fleetDir
	ID   string `arg:"" optional:"" placeholder:"ID" help:"The message, as muster bus dead shows it."`
	All  string `placeholder:"GROUP" help:"All dead messages of this group."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (c *busRedriveCmd) Run(ctx context.Context, t terminal) error {
	if (c.ID == "") == (c.All == "") {
		return usagef("say either which message, as muster bus dead shows it, or --all GROUP")
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
		return plain(err)
	case c.JSON:
		return writeJSON(t.out, map[string]int64{"redriven": n})
	}
	_, _ = fmt.Fprintf(t.out, "%s: to be tried again now\n", what)
	return nil
}

type busDiscardCmd struct {
	fleetDir
	ID   string `arg:"" placeholder:"ID" help:"The message, as muster bus dead shows it."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (c *busDiscardCmd) Run(ctx context.Context, t terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	p, err := f.Settle(ctx, c.ID, "discard")
	switch {
	case err != nil:
		return plain(err)
	case c.JSON:
		return writeJSON(t.out, p)
	}
	_, _ = fmt.Fprintf(t.out, "%s is given up: %s %s of %s\n", c.ID, p.Topic, cmp.Or(p.Event, "(unreadable)"), p.Source)
	return nil
}
