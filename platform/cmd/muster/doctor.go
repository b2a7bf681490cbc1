package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"

	"github.com/musterdev/muster/platform/cmd/muster/running"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/preflight"
)

// doctorCmd checks what a fleet needs before it is started.
type doctorCmd struct {
	fleetFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *doctorCmd) Run(ctx context.Context, t terminal.Terminal) error {
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
		write = func(w io.Writer, found []preflight.Finding) error { return terminal.WriteJSON(w, found) }
	}
	if err := write(t.Out, found); err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(f preflight.Finding) bool { return f.Status == preflight.Fail }) {
		return errors.New("not everything is as it must be")
	}
	return nil
}

// ownPorts returns whether a port is one of the fleet that runs in this folder.
func ownPorts(ctx context.Context, f *fleet.Fleet) func(int) bool {
	st, err := running.Fleet{Dir: f.Dir}.Status(ctx)
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
	own[f.Edge.Local], own[f.Control.DNS] = true, true
	ports, _ := running.Ports(ctx, admin.NewClient(local.EdgeSocket(f.Dir))) // an edge that is away has none
	for _, p := range ports {
		if _, port, err := net.SplitHostPort(p.Listen); err == nil {
			n, _ := strconv.Atoi(port) // a number: the fleet file said so
			own[n] = true
		}
	}
	return func(port int) bool { return own[port] }
}
