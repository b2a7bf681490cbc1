package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/musterdev/muster/platform/ops"
)

// busCmd shows and mends how events fare.
type busCmd struct {
	Topics  busTopicsCmd  `cmd:"" help:"List the topics that the broker has messages of."`
	Lag     busLagCmd     `cmd:"" help:"Show who consumes, and how far behind each is."`
	Dead    busDeadCmd    `cmd:"" help:"List the messages that could not be handled and wait for a person."`
	Redrive busRedriveCmd `cmd:"" help:"Have a dead message tried again, or all of a group."`
	Discard busDiscardCmd `cmd:"" help:"Give a dead message up for ever; the later ones of its key go on."`
}

type busTopicsCmd struct {
	fleetDir
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *busTopicsCmd) Run(ctx context.Context, t terminal) error {
	return show(ctx, t, c.fleetDir, c.JSON, (*ops.Fleet).Topics, ops.WriteTopics)
}

type busLagCmd struct {
	fleetDir
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *busLagCmd) Run(ctx context.Context, t terminal) error {
	return show(ctx, t, c.fleetDir, c.JSON, (*ops.Fleet).Groups, ops.WriteGroups)
}

// show prints a list that the fleet tells.
func show[T any](ctx context.Context, t terminal, d fleetDir, asJSON bool, ask func(*ops.Fleet, context.Context) ([]T, error), write func(io.Writer, []T) error) error {
	f, err := d.ask(ctx)
	if err != nil {
		return err
	}
	list, err := ask(f, ctx)
	switch {
	case err != nil:
		return plain(err)
	case asJSON:
		return writeJSON(t.out, append([]T{}, list...))
	}
	return write(t.out, list)
}

type busDeadCmd struct {
	fleetDir
	Group string `placeholder:"GROUP" help:"Only those of this group: the service that was to handle them."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (c *busDeadCmd) Run(ctx context.Context, t terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, more, failed := f.Dead(ctx, c.Group)
	if c.JSON {
		return errors.Join(writeJSON(t.out, append([]ops.Parked{}, list...)), failed)
	}
	return errors.Join(ops.WriteDead(t.out, list, more), failed)
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
	_, _ = fmt.Fprintf(t.out, "%s is given up: %s %s of %s\n", c.ID, p.Topic, p.Event, p.Source)
	return nil
}
