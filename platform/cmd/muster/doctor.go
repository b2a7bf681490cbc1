package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

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
		// without its edge: the files of its filters are there and not here
		there, err := fleet.Load(c.File, fleet.Options{Environment: "production", Env: os.LookupEnv})
		if err != nil {
			there = nil // the file names no such environment
		}
		found = append(found, preflight.Examine(ctx, f, ownPorts(ctx, f), there)...)
		found = append(found, certificates(f)...)
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

// certificates are the findings about what the edge speaks TLS by.
func certificates(f *fleet.Fleet) []preflight.Finding {
	const check = "TLS of the edge"
	if f.Edge.TLS == nil || f.On != fleet.Local {
		return nil
	}
	c := local.CheckTLS(f, time.Now())
	found := []preflight.Finding{}
	for _, one := range []struct {
		err    error
		status preflight.Status
	}{{c.Unusable, preflight.Fail}, {c.Refused, preflight.Fail}, {c.Ending, preflight.Warn}} {
		if one.err != nil {
			found = append(found, preflight.Finding{Check: check, Status: one.status, Detail: one.err.Error()})
		}
	}
	if len(found) == 0 {
		found = append(found, preflight.Finding{Check: check, Status: preflight.OK, Detail: "its files can be used"})
	}
	return found
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
	if f.Edge.TLS != nil {
		own[f.Edge.TLS.Port] = true
	}
	ports, _ := running.Ports(ctx, admin.NewClient(local.EdgeSocket(f.Dir))) // an edge that is away has none
	for _, p := range ports {
		if _, port, err := net.SplitHostPort(p.Listen); err == nil {
			n, _ := strconv.Atoi(port) // a number: the fleet file said so
			own[n] = true
		}
	}
	return func(port int) bool { return own[port] }
}
