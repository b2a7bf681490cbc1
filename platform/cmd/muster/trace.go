package main

import (
	"context"

	"github.com/musterdev/muster/platform/cmd/muster/see"
	"github.com/musterdev/muster/platform/telemetry/query"
)

// traceCmd shows a trace, or lists those that there are.
type traceCmd struct {
	controlFlags
	see.Search

	ID   string `arg:"" optional:"" help:"The trace; its first digits (4 or more) are enough. Without it, traces are listed."`
	Logs bool   `help:"Show what was logged, below the spans in which it was."`
}

func (c *traceCmd) Run(ctx context.Context, t terminal) error {
	if c.Slow.Set && c.Slow.Least == 0 && c.Slow.Read(c.ID) == nil {
		c.ID = "" // as in --slow 50ms
	}
	switch {
	case c.ID != "" && c.Any():
		return usagef("say either which trace, or with --slow, --error, --service and --attr which are to be listed")
	case c.ID == "" && c.Logs:
		return usagef("--logs is of one trace: say which")
	}
	if err := c.Check(c.ID == ""); err != nil {
		return usageError{err}
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
		return plain(err)
	}
	var records []query.Log
	if c.Logs {
		keep := func(l query.Log) error { records = append(records, l); return nil }
		if err := client.Records(ctx, see.Records{Trace: id, Most: mostRecords}, keep, t.note); err != nil {
			return plain(err)
		}
	}
	if c.JSON {
		return writeJSON(t.out, struct {
			query.Trace

			Logs []query.Log `json:"logs,omitempty"`
		}{tr, records})
	}
	return t.screen().Trace(tr, records, c.Spans())
}

func (c *traceCmd) list(ctx context.Context, t terminal) error {
	client, err := c.find(ctx)
	if err != nil {
		return err
	}
	list, note, err := client.Search(ctx, c.Search)
	if err != nil {
		return plain(err)
	}
	if note != "" {
		t.note(note)
	}
	switch {
	case c.JSON:
		return writeJSON(t.out, list)
	case len(list.Traces) == 0:
		return nil
	}
	return t.screen().Traces(list.Traces, c.Parts())
}
