package running

import (
	"context"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
)

// Why tells why a trace took as long as it did.
type Why struct {
	Control
	ID string `arg:"" name:"trace" help:"The trace; its first digits (4 or more) are enough."`
}

// Run runs the verb.
func (c *Why) Run(ctx context.Context, t terminal.Terminal) error {
	client, id, err := c.meant(ctx, c.ID)
	if err != nil {
		return err
	}
	answer, err := client.Why(ctx, id)
	switch {
	case err != nil:
		return terminal.Plain(err)
	case c.JSON:
		return t.JSON(answer)
	}
	return t.Screen().Why(answer)
}
