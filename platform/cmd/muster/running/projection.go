package running

import (
	"context"
	"errors"
	"fmt"

	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/ops/models"
)

// Projection shows read models, and has them made anew.
type Projection struct {
	Ls      projectionLs      `cmd:"" help:"List the read models of all services, with their builds and how far each is behind."`
	Rebuild projectionRebuild `cmd:"" help:"Make a read model anew from the oldest event, beside the one that is read, and then put it in its place."`
	Accept  projectionAccept  `cmd:"" help:"Have the build that grows be read as it is, though events failed or are missing."`
}

type projectionLs struct {
	Fleet
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *projectionLs) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, failed := models.Of(ctx, f)
	if c.JSON {
		return errors.Join(t.JSON(list), failed)
	}
	return errors.Join(models.Write(t.Out, list), failed)
}

type projectionRebuild struct{ projectionOrder }

func (c *projectionRebuild) Run(ctx context.Context, t terminal.Terminal) error {
	return c.give(ctx, t, "rebuild", "is made anew as")
}

type projectionAccept struct{ projectionOrder }

func (c *projectionAccept) Run(ctx context.Context, t terminal.Terminal) error {
	return c.give(ctx, t, "accept", "will be read as it is:")
}

// projectionOrder is a person's order to a read model.
type projectionOrder struct {
	Fleet
	sagaNote

	Projection string `arg:"" placeholder:"NAME" help:"Its name, as muster projection ls shows it."`
	Service    string `placeholder:"NAME" help:"The service that has it, where another one has one of the name."`
	JSON       bool   `name:"json" help:"Print JSON."`
}

func (c *projectionOrder) give(ctx context.Context, t terminal.Terminal, order, done string) error {
	note, err := c.note()
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	p, err := models.Order(ctx, f, c.Service, c.Projection, order, projection.Note(note))
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(p)
	}
	build := ""
	for _, b := range p.Builds {
		if b.State == "building" {
			build = b.Name
			break
		}
	}
	_, _ = fmt.Fprintf(t.Out, "%s of %s %s %s; see muster projection ls\n", p.Name, p.Service, done, build)
	return nil
}
