package running

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/telemetry/graph/draw"
)

// Map shows who calls whom.
type Map struct {
	Control
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
	m, err := client.Map(ctx, c.Window)
	if err != nil {
		return terminal.Plain(err)
	}
	if len(m.Edges) == 0 {
		t.Note(fmt.Sprintf("no service called another in the last %s", c.Window))
	}
	var text bytes.Buffer
	switch {
	case drawn:
		text.Write(draw.SVG(m, draw.Theme(c.Theme)))
	case c.JSON:
		if err := terminal.WriteJSON(&text, m); err != nil {
			return err
		}
	default:
		text.WriteString(draw.Text(m))
	}
	if c.Out != "" {
		return os.WriteFile(c.Out, text.Bytes(), 0o644)
	}
	_, err = t.Out.Write(text.Bytes())
	return err
}
