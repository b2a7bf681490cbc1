package running

import (
	"context"
	"errors"
	"fmt"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/ops"
)

type sagaSteps struct {
	Fleet
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *sagaSteps) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, failed := f.Held(ctx)
	if c.JSON {
		return errors.Join(t.JSON(append([]ops.Held{}, list...)), failed)
	}
	if len(list) == 0 && failed != nil { // one that was not asked may hold some
		return failed
	}
	return errors.Join(ops.WriteHeld(t.Out, list), failed)
}

// sagaResume is an order to one saga that is paused, or to all that wait at a step.
type sagaResume struct {
	Fleet
	Saga    string `arg:"" optional:"" placeholder:"NAME/ID" help:"NAME/ID, or ID where no other saga has it."`
	Step    string `placeholder:"SAGA/STEP" help:"All sagas that wait at this step, which is held; SAGA/STEP/undo is its Undo."`
	Service string `placeholder:"NAME" help:"Only the saga, or the step, of this service."`
	JSON    bool   `name:"json" help:"Print JSON."`
	sagaNote
}

func (c *sagaResume) Run(ctx context.Context, t terminal.Terminal) error {
	switch {
	case (c.Saga == "") == (c.Step == ""):
		return terminal.Usagef("say which: one saga as NAME/ID, or --step SAGA/STEP")
	case c.Step == "":
		one := sagaOrder{sagaFlags{c.Fleet, c.Saga, c.Service, c.JSON}, c.sagaNote}
		return one.give(ctx, t, "resume")
	}
	n, err := ops.ParseStep(c.Step)
	if err != nil {
		return terminal.Usage(terminal.Plain(err))
	}
	note, err := c.note()
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	done, service, err := f.ResumeStep(ctx, c.Service, n, note)
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(done)
	}
	_, _ = fmt.Fprintf(t.Out, "the step %s of %s is held no more: %d sagas go on\n", n, service, done.Sagas)
	return nil
}
