package running

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/see"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/graph/cause"
	"github.com/musterdev/muster/platform/telemetry/graph/draw"
	"github.com/musterdev/muster/problem"
)

// Map shows who calls whom, or which event led to which.
type Map struct {
	Control
	Events bool          `help:"Which event led to which, and by whom: of the newest traces with events."`
	Window time.Duration `default:"5m" help:"Of the traffic of how long, 1m to 1h."`
	SVG    bool          `name:"svg" help:"Draw it, as SVG."`
	Theme  string        `default:"auto" enum:"auto,light,dark" help:"Of the drawing: auto, light or dark."`
	Out    string        `short:"o" placeholder:"FILE" help:"Write to a file; one whose name ends in .svg is drawn."`
}

// Run runs the verb.
func (c *Map) Run(ctx context.Context, t terminal.Terminal) error {
	drawn := c.SVG || strings.HasSuffix(c.Out, ".svg")
	switch {
	case c.Window < time.Minute || c.Window > time.Hour:
		return terminal.Usagef("--window must be 1m to 1h, not %s", c.Window)
	case drawn && c.JSON:
		return terminal.Usagef("a map is either drawn or printed as JSON: leave one out")
	}
	client, err := c.find(ctx)
	if err != nil {
		return err
	}
	var (
		m     graph.Map
		whole any = &m
		said  func() string
	)
	if c.Events {
		links, err := c.causes(ctx, client)
		if err != nil {
			return terminal.Plain(err)
		}
		m, whole, said = cause.Map(links), links, func() string { return cause.Text(links) }
		if len(links) == 0 {
			t.Note(fmt.Sprintf("no event was published in the last %s, in a trace that was kept", c.Window))
		}
	} else {
		if m, err = client.Map(ctx, c.Window); err != nil {
			return terminal.Plain(err)
		}
		said = func() string { return draw.Text(m) }
		if len(m.Edges) == 0 {
			t.Note(fmt.Sprintf("no service called another in the last %s", c.Window))
		}
	}
	var text bytes.Buffer
	switch {
	case drawn:
		text.Write(draw.SVG(m, draw.Theme(c.Theme)))
	case c.JSON:
		if err := terminal.WriteJSON(&text, whole); err != nil {
			return err
		}
	default:
		text.WriteString(said())
	}
	if c.Out != "" {
		return os.WriteFile(c.Out, text.Bytes(), 0o644)
	}
	_, err = t.Out.Write(text.Bytes())
	return err
}

// mostCaused is how many traces are looked at to see what led to what: each is asked for.
const mostCaused = 200

// causes reads the newest traces in which there are events.
func (c *Map) causes(ctx context.Context, client *see.Client) ([]cause.Link, error) {
	list, _, err := client.Search(ctx, see.Search{Attr: []string{"messaging.system=muster"}, Since: c.Window, Limit: mostCaused})
	if err != nil {
		return nil, err
	}
	var all cause.Causes
	for _, summary := range list.Traces {
		tr, err := client.Trace(ctx, summary.Trace)
		switch {
		case problem.CodeOf(err) == problem.NotFound: // it was too old a moment ago
			continue
		case err != nil:
			return nil, err
		}
		spans := make([]cause.Span, len(tr.Tree))
		for i, s := range tr.Tree {
			spans[i] = cause.Span{ID: s.ID, Parent: s.Parent, Service: s.Service, Name: s.Name, Kind: s.Kind, Attributes: s.Attributes}
		}
		all.Add(spans)
	}
	return all.Links(), nil
}
