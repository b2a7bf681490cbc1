package running

import (
	"context"
	"errors"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/ops/calltable"
	"github.com/musterdev/muster/platform/supervise"
)

// Ps shows what runs.
type Ps struct {
	Fleet
	Calls bool `help:"Show how calls between services stand: routes, instances, doors."`
	JSON  bool `name:"json" help:"Print JSON."`
}

// Run runs the verb.
func (c *Ps) Run(ctx context.Context, t terminal.Terminal) error {
	st, err := c.Status(ctx)
	if err != nil {
		return err
	}
	edge := admin.NewClient(local.EdgeSocket(c.Dir))
	var ports []admin.Port
	if !c.Calls {
		ports, _ = Ports(ctx, edge) // an edge that is away has none: its state is in the table
	}
	if c.JSON && !c.Calls {
		return t.JSON(struct {
			supervise.Status

			TCP []admin.Port `json:"tcp,omitempty"` // where the edge accepts connections that are not HTTP
		}{st, ports})
	}
	calls := ops.CallsOf(ctx, st, edge.Calls)
	switch {
	case c.JSON:
		return t.JSON(calls)
	case c.Calls:
		return calltable.Write(t.Out, calls)
	}
	if err := errors.Join(ops.WriteStatus(t.Out, st), admin.WritePorts(t.Out, ports)); err != nil {
		return err
	}
	return calltable.WriteUnusual(t.Out, calls)
}

// portsWithin is how long the edge may take to tell its ports.
const portsWithin = time.Second

// Ports returns where the edge accepts connections that are not HTTP.
func Ports(ctx context.Context, edge *admin.Client) ([]admin.Port, error) {
	ctx, cancel := context.WithTimeout(ctx, portsWithin)
	defer cancel()
	return edge.TCP(ctx)
}
