package main

import (
	"context"

	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/supervise/ctl"
)

// psCmd shows what runs.
type psCmd struct {
	fleetDir
	Calls bool `help:"Show how calls between services stand: routes, instances, doors."`
	JSON  bool `name:"json" help:"Print JSON."`
}

func (c *psCmd) Run(ctx context.Context, t terminal) error {
	st, err := answered(ctx, c.fleetDir, patience, (*ctl.Client).Status)
	if err != nil {
		return err
	}
	if c.JSON && !c.Calls {
		return writeJSON(t.out, st)
	}
	calls := ops.CallsOf(ctx, st, admin.NewClient(local.EdgeSocket(c.Dir)).Calls)
	switch {
	case c.JSON:
		return writeJSON(t.out, calls)
	case c.Calls:
		return calls.Write(t.out)
	}
	if err := ops.WriteStatus(t.out, st); err != nil {
		return err
	}
	return calls.WriteUnusual(t.out)
}
