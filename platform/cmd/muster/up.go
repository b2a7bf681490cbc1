package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise"
)

// upCmd runs the services of muster.yaml.
type upCmd struct {
	fleetFlags
	Single bool     `help:"Supervisor and engines in one process."`
	Name   []string `placeholder:"NAME" help:"Name by which browsers ask for the dashboard, besides localhost and addresses."`
	Watch  bool     `default:"true" negatable:"" help:"Replace a service when the files it is made from change."`
	JSON   bool     `name:"json" help:"Print what happens as JSON, an object a line."`
}

// read is load, and what the file refers to must be there.
func (c *upCmd) read() (*fleet.Fleet, error) {
	f, err := c.load()
	if err != nil || f.On != fleet.Local {
		return f, err
	}
	return f, errors.Join(preflight.Files(f), local.CheckTLS(f, time.Now()).Unusable)
}

func (c *upCmd) Run(ctx context.Context, t terminal.Terminal) error {
	if err := hostNames(c.Name); err != nil {
		return err
	}
	f, err := c.read()
	if err != nil {
		return err
	}
	if f.On != fleet.Local {
		return terminal.Usagef("environment %q is on %s: muster up runs fleets on this machine", f.EnvironmentName, f.On)
	}
	if text := preflight.Undelivered(f); text != "" {
		_, _ = fmt.Fprintln(t.Err, "warning:", text)
	}
	tls := local.CheckTLS(f, time.Now())
	for _, doubt := range []error{tls.Refused, tls.Ending} {
		if doubt != nil {
			_, _ = fmt.Fprintln(t.Err, "warning:", doubt)
		}
	}
	p := &local.Progress{Out: t.Out, JSON: c.JSON}
	up, err := local.Start(ctx, local.Config{Fleet: f, Single: c.Single, Load: c.read, Names: c.Name, Watch: c.Watch, Events: p.Show})
	if err != nil {
		return err
	}
	if c.JSON {
		return up.Wait()
	}
	edge := up.EdgeURL
	if f.Edge.TLS != nil {
		edge += fmt.Sprintf(" and https://localhost:%d", f.Edge.TLS.Port)
	}
	_, _ = fmt.Fprintf(t.Out, "\ndashboard %[2]s/\nedge      %[1]s\nregistry  %[2]s/v1/services\nlogs      %[3]s\nCtrl-C ends it; muster ps, logs, trace, map work from another terminal.\n",
		edge, up.ControlURL, filepath.Join(f.Dir, supervise.Folder, "logs"))
	return up.Wait()
}
