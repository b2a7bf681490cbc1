package running

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/ops"
)

// Saga shows and mends sagas.
type Saga struct {
	Ls         sagaLs         `cmd:"" help:"List the sagas of all services, the last changed first."`
	Show       sagaShow       `cmd:"" help:"Show one saga with its data and all that happened to it."`
	Retry      sagaRetry      `cmd:"" help:"Try a saga's step again now, as if it were the first time."`
	Skip       sagaSkip       `cmd:"" help:"Count a saga's step as done, or as undone, and go on."`
	Compensate sagaCompensate `cmd:"" help:"Undo what a saga did."`
	Pause      sagaPause      `cmd:"" help:"Stop a saga before its next step or try."`
	Resume     sagaResume     `cmd:"" help:"Have a paused saga go on as it was, or all that wait at a step which is held."`
	Steps      sagaSteps      `cmd:"" help:"List the steps that are held, as many sagas failed at them with one error."`
	Edit       sagaEdit       `cmd:"" help:"Replace the data of a saga that nobody works on."`
}

// ask finds the services of the fleet that runs.
func (d Fleet) ask(ctx context.Context) (*ops.Fleet, error) {
	st, err := d.Status(ctx)
	if err != nil {
		return nil, err
	}
	return ops.Of(st), nil
}

type sagaLs struct {
	Fleet
	Name  string `placeholder:"NAME" help:"Only sagas of this name."`
	State string `placeholder:"STATE" help:"Only those in this state: running, waiting, compensating, paused, completed, compensated."`
	Limit int    `default:"100" help:"At most so many of each service."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

func (c *sagaLs) Run(ctx context.Context, t terminal.Terminal) error {
	switch states := []saga.State{saga.Running, saga.Waiting, saga.Compensating, saga.Paused, saga.Completed, saga.Compensated}; {
	case c.State != "" && !slices.Contains(states, saga.State(c.State)):
		return terminal.Usagef("--state must be one of %s, not %q", strings.Trim(fmt.Sprint(states), "[]"), c.State)
	case c.Limit < 1 || c.Limit > 1000:
		return terminal.Usagef("--limit must be 1 to 1000, not %d", c.Limit)
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, all, failed := f.Sagas(ctx, saga.Filter{Name: c.Name, State: saga.State(c.State), Limit: c.Limit})
	if c.JSON {
		if list == nil {
			list = []ops.Saga{}
		}
		return errors.Join(t.JSON(list), failed)
	}
	return errors.Join(ops.WriteSagas(t.Out, list, all), failed)
}

// sagaFlags say which saga is meant.
type sagaFlags struct {
	Fleet
	Saga    string `arg:"" placeholder:"NAME/ID" help:"NAME/ID, or ID where no other saga has it."`
	Service string `placeholder:"NAME" help:"Only the saga of this service."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (c *sagaFlags) name() (ops.SagaName, error) {
	n, err := ops.ParseSaga(c.Saga)
	if err != nil {
		return n, terminal.Usage(terminal.Plain(err))
	}
	n.Service = c.Service
	return n, nil
}

type sagaShow struct{ sagaFlags }

func (c *sagaShow) Run(ctx context.Context, t terminal.Terminal) error {
	n, err := c.name()
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	d, err := f.Saga(ctx, n)
	if err != nil {
		return terminal.Plain(err)
	}
	if c.JSON {
		return t.JSON(d)
	}
	return ops.WriteSaga(t.Out, d)
}

type sagaSkip struct{ sagaOrder }

func (c *sagaSkip) Run(ctx context.Context, t terminal.Terminal) error { return c.give(ctx, t, "skip") }

type sagaCompensate struct{ sagaOrder }

func (c *sagaCompensate) Run(ctx context.Context, t terminal.Terminal) error {
	return c.give(ctx, t, "compensate")
}

type sagaPause struct{ sagaOrder }

func (c *sagaPause) Run(ctx context.Context, t terminal.Terminal) error {
	return c.give(ctx, t, "pause")
}

// sagaOrder is a person's order to a saga.
type sagaOrder struct {
	sagaFlags
	sagaNote
}

// sagaNote is who gives an order, and why.
type sagaNote struct {
	By  string `env:"USER" placeholder:"NAME" help:"Who orders it; kept with the saga."`
	Why string `required:"" placeholder:"TEXT" help:"Why; kept with the saga."`
}

func (c sagaNote) note() (saga.Note, error) {
	switch {
	case c.By == "":
		return saga.Note{}, terminal.Usagef("--by is missing, and $USER is not set: who orders it?")
	case strings.TrimSpace(c.By) == "" || len(c.By) > mostBy:
		return saga.Note{}, terminal.Usagef("--by must have 1 to %d bytes, and not only spaces; it has %d", mostBy, len(c.By))
	case strings.TrimSpace(c.Why) == "" || len(c.Why) > mostWhy:
		return saga.Note{}, terminal.Usagef("--why must have 1 to %d bytes, and not only spaces; it has %d", mostWhy, len(c.Why))
	}
	return saga.Note{By: c.By, Why: c.Why}, nil
}

// The most bytes that a saga keeps of who ordered and why: see saga.Note.
const (
	mostBy  = 100
	mostWhy = 1000
)

func (c *sagaOrder) give(ctx context.Context, t terminal.Terminal, order string) error {
	n, err := c.name()
	if err != nil {
		return err
	}
	note, err := c.note()
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	d, err := f.Interfere(ctx, n, order, note)
	if err != nil {
		return terminal.Plain(err)
	}
	return c.told(t, d)
}

// told writes a saga after an order.
func (c *sagaFlags) told(t terminal.Terminal, d ops.SagaDetail) error {
	if c.JSON {
		return t.JSON(d)
	}
	_, _ = fmt.Fprintf(t.Out, "%s/%s of %s is %s at the step %s\n", d.Name, d.ID, d.Service, ops.StateOf(d.Entry), d.Step)
	return nil
}
