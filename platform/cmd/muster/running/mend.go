package running

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/ops"
)

// sagaRetry is an order to one saga, or to all that are paused with an error.
type sagaRetry struct {
	Fleet
	Saga    string `arg:"" optional:"" placeholder:"NAME/ID" help:"NAME/ID, or ID where no other saga has it."`
	All     string `placeholder:"NAME" help:"All sagas of this name that are paused with --error."`
	Error   string `placeholder:"TEXT" help:"With --all: a part of the error that they are paused with."`
	Service string `placeholder:"NAME" help:"Only the sagas of this service."`
	JSON    bool   `name:"json" help:"Print JSON."`
	sagaNote
}

func (c *sagaRetry) Run(ctx context.Context, t terminal.Terminal) error {
	switch {
	case (c.Saga == "") == (c.All == ""):
		return terminal.Usagef("say which: one saga as NAME/ID, or --all NAME --error TEXT")
	case c.All != "" && c.Error == "":
		return terminal.Usagef("--all needs --error: a part of the error that the sagas are paused with")
	case c.All == "" && c.Error != "":
		return terminal.Usagef("--error goes with --all NAME")
	case c.All == "":
		one := sagaOrder{sagaFlags{c.Fleet, c.Saga, c.Service, c.JSON}, c.sagaNote}
		return one.give(ctx, t, "retry")
	}
	note, err := c.note()
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	done, err := f.RetryAll(ctx, c.Service, saga.Bulk{Note: note, Name: c.All, Error: c.Error})
	if err != nil {
		err = terminal.Plain(err)
	}
	if c.JSON {
		return errors.Join(t.JSON(done), err)
	}
	if done != (saga.Bulked{}) || err == nil {
		_, _ = fmt.Fprintf(t.Out, "%d sagas %s are tried again, %d could not be\n", done.Retried, c.All, done.Refused)
	}
	return err
}

type sagaEdit struct {
	sagaOrder
	Seq  int64  `required:"" placeholder:"N" help:"The saga's seq when its data were read: it is not changed if anything happened to it since."`
	Data string `required:"" placeholder:"FILE" help:"A file with the new data, whole, as muster saga show has them; - is the standard input."`
}

// maxEdit is more than a saga's data may have.
const maxEdit = 2*saga.MaxData + 1

func (c *sagaEdit) Run(ctx context.Context, t terminal.Terminal) error {
	n, err := c.name()
	if err != nil {
		return err
	}
	note, err := c.note()
	if err != nil {
		return err
	}
	data, err := c.read(t)
	if err != nil {
		return err
	}
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	d, err := f.Edit(ctx, n, saga.Edited{Note: note, Seq: c.Seq, Data: data})
	if err != nil {
		return terminal.Plain(err)
	}
	return c.told(t, d)
}

func (c *sagaEdit) read(t terminal.Terminal) (data json.RawMessage, err error) {
	from := t.In
	if c.Data != "-" {
		file, err := os.Open(c.Data)
		if err != nil {
			return nil, terminal.Usagef("--data: %v", err)
		}
		defer func() { _ = file.Close() }() // it was only read
		from = file
	}
	data, err = io.ReadAll(io.LimitReader(from, maxEdit))
	switch {
	case err != nil:
		return nil, fmt.Errorf("--data: %w", err)
	case len(data) >= maxEdit:
		return nil, terminal.Usagef("--data: a saga's data have at most %d bytes", saga.MaxData)
	case !json.Valid(data):
		return nil, terminal.Usagef("--data: %s holds no JSON value: write the data as muster saga show --json has them", c.Data)
	}
	return data, nil
}

// Check finds what would go wrong.
type Check struct {
	Sagas checkSagas `cmd:"" help:"Find the sagas under way that the running build of their service cannot carry on."`
}

type checkSagas struct {
	Fleet
	JSON bool `name:"json" help:"Print JSON."`
}

// errStranded ends the verb where it found some; each has been told.
var errStranded = errors.New("some sagas cannot be carried on: run a build that knows their version, or one that upgrades them (saga.Saga.From)")

func (c *checkSagas) Run(ctx context.Context, t terminal.Terminal) error {
	f, err := c.ask(ctx)
	if err != nil {
		return err
	}
	list, asked, failed := f.Stranded(ctx)
	if c.JSON {
		err = t.JSON(append([]ops.Stranded{}, list...))
	} else {
		for _, s := range list {
			undo := ""
			if s.Undoing {
				undo = " (undo)"
			}
			_, _ = fmt.Fprintf(t.Out, "%s: %d of %s version %d at step %s%s, such as %s: %s\n", s.Service, s.Sagas, s.Name, s.Version, s.Step, undo, s.ID, s.Why)
		}
		if len(list) == 0 && failed == nil {
			_, _ = fmt.Fprintf(t.Out, "every saga under way can be carried on (%d services asked)\n", asked)
		}
	}
	if len(list) > 0 {
		err = errors.Join(err, errStranded)
	}
	return errors.Join(err, failed)
}
