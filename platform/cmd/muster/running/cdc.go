package running

import (
	"context"
	"errors"
	"fmt"

	"github.com/musterdev/muster/data/cdc"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/ops/followed"
)

// CDC shows which databases of others are followed, and has them copied anew.
type CDC struct {
	Ls     cdcLs     `cmd:"" help:"List the databases of others that services follow, how far each is, and what is lost."`
	Recopy cdcRecopy `cmd:"" help:"Have everything copied anew: after a loss, or to mend the copy."`
}

type cdcLs struct {
	Fleet
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *cdcLs) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, failed := followed.Of(ctx, f)
	if c.JSON {
		return errors.Join(t.JSON(list), failed)
	}
	return errors.Join(followed.Write(t.Out, list), failed)
}

type cdcRecopy struct {
	Fleet
	Name    string `arg:"" placeholder:"NAME" help:"The follower's name, as muster cdc ls shows it."`
	Service string `placeholder:"NAME" help:"The service that has it, where another one has one of the name."`
	By      string `env:"USER" placeholder:"NAME" help:"Who orders it; kept with the follower."`
	Why     string `required:"" placeholder:"TEXT" help:"Why; kept with the follower."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (c *cdcRecopy) Run(ctx context.Context, t terminal.Terminal) error {
	note, err := (sagaNote{By: c.By, Why: c.Why}).note()
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	s, err := followed.Recopy(ctx, f, c.Service, c.Name, cdc.Note{By: note.By, Why: note.Why})
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(map[string]int{"ordered": 1})
	}
	_, _ = fmt.Fprintf(t.Out, "%s of %s is copied anew; see muster cdc ls\n", s.Name, s.Service)
	return nil
}
