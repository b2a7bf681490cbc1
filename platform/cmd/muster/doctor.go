package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise/ctl"
)

// doctorCmd checks what a fleet needs before it is started.
type doctorCmd struct {
	fleetFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *doctorCmd) Run(ctx context.Context, t terminal) error {
	found := preflight.Machine()
	f, err := c.load()
	if err != nil {
		found = append(found, preflight.FleetFile(c.File, err))
	} else {
		found = append(found, preflight.Finding{
			Check: "fleet file", Status: preflight.OK,
			Detail: fmt.Sprintf("%s: fleet %s, %d services", c.File, f.Name, len(f.Services)),
		})
		production := c.fleetFlags
		production.Environment = "production"
		there, err := production.load()
		if err != nil {
			there = nil // the file names no such environment
		}
		found = append(found, preflight.Examine(ctx, f, ownPorts(ctx, f), there)...)
	}
	write := preflight.WriteTable
	if c.JSON {
		write = func(w io.Writer, found []preflight.Finding) error { return writeJSON(w, found) }
	}
	if err := write(t.out, found); err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(f preflight.Finding) bool { return f.Status == preflight.Fail }) {
		return errors.New("not everything is as it must be")
	}
	return nil
}

// ownPorts returns whether a port is one of the fleet that runs in this folder.
func ownPorts(ctx context.Context, f *fleet.Fleet) func(int) bool {
	st, err := answered(ctx, fleetDir{Dir: f.Dir}, patience, (*ctl.Client).Status)
	if err != nil {
		return func(int) bool { return false } // none runs
	}
	own := map[int]bool{f.Broker.Port: preflight.Broker(f)} // the broker says its other port
	all := slices.Clone(st.Engines)
	for _, s := range st.Services {
		all = append(all, s.Instances...)
	}
	for _, i := range all {
		own[i.Port], own[i.GRPCPort] = true, true
	}
	if len(st.Engines) == 0 { // up --single: they are in the supervisor
		own[f.Edge.Port], own[f.Control.Port], own[f.Broker.HTTP] = true, true, preflight.Broker(f)
	}
	return func(port int) bool { return own[port] }
}
