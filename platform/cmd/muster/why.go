package main

import "context"

// whyCmd tells why a trace took as long as it did.
type whyCmd struct {
	controlFlags
	ID string `arg:"" name:"trace" help:"The trace; its first digits (4 or more) are enough."`
}

func (c *whyCmd) Run(ctx context.Context, t terminal) error {
	client, id, err := c.meant(ctx, c.ID)
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
