package main

import (
	"context"
	"time"
)

// whyCmd tells why a trace took as long as it did.
type whyCmd struct {
	controlFlags
	ID    string        `arg:"" name:"trace" help:"The trace; its first digits (4 or more) are enough where it is a recent one."`
	Since time.Duration `default:"15m" help:"How far back to look for a trace whose first digits are given."`
}

func (c *whyCmd) Run(ctx context.Context, t terminal) error {
	if c.Since <= 0 {
		return usagef("--since must be more than 0s, not %s", c.Since)
	}
	client, id, err := c.meant(ctx, c.ID, c.Since)
	if err != nil {
		return err
	}
	answer, err := client.Why(ctx, id)
	switch {
	case err != nil:
		return plain(err)
	case c.JSON:
		return writeJSON(t.out, answer)
	}
	return t.screen().Why(answer)
}
