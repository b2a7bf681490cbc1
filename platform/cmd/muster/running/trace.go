package running

import (
	"context"

	"github.com/musterdev/muster/platform/cmd/muster/see"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/telemetry/query"
)

// Trace shows a trace, or lists those that there are.
type Trace struct {
	Control
	see.Search

	ID   string `arg:"" optional:"" help:"The trace; its first digits (4 or more) are enough. Without it, traces are listed."`
	Logs bool   `help:"Show what was logged, below the spans in which it was."`
}

// Run runs the verb.
func (c *Trace) Run(ctx context.Context, t terminal.Terminal) error {
	if c.Slow.Set && c.Slow.Least == 0 && c.Slow.Read(c.ID) == nil {
		c.ID = "" // as in --slow 50ms
	}
	switch {
	case c.ID != "" && c.Any():
		return terminal.Usagef("say either which trace, or with --slow, --error, --service and --attr which are to be listed")
	case c.ID == "" && c.Logs:
		return terminal.Usagef("--logs is of one trace: say which")
	}
	if err := c.Check(c.ID == ""); err != nil {
		return terminal.Usage(err)
	}
	if c.ID == "" {
		return c.list(ctx, t)
	}
	client, id, err := c.meant(ctx, c.ID)
	if err != nil {
		return err
	}
	tr, err := client.Trace(ctx, id)
	if err != nil {
		return terminal.Plain(err)
	}
	var records []query.Log
	if c.Logs {
		keep := func(l query.Log) error { records = append(records, l); return nil }
		if err := client.Records(ctx, see.Records{Trace: id, Most: mostRecords}, keep, t.Note); err != nil {
			return terminal.Plain(err)
		}
	}
	if c.JSON {
		return t.JSON(struct {
			query.Trace

			Logs []query.Log `json:"logs,omitempty"`
		}{tr, records})
	}
	return t.Screen().Trace(tr, records, c.Spans())
}

func (c *Trace) list(ctx context.Context, t terminal.Terminal) error {
	client, err := c.find(ctx)
	if err != nil {
		return err
	}
	list, note, err := client.Search(ctx, c.Search)
	if err != nil {
		return terminal.Plain(err)
	}
	if note != "" {
		t.Note(note)
	}
	switch {
	case c.JSON:
		return t.JSON(list)
	case len(list.Traces) == 0:
		return nil
	}
	return t.Screen().Traces(list.Traces, c.Parts())
}
