package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/control"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise"
)

// openInProcess runs the whole shop, control and edge in this one process: the
// services call each other over in-memory listeners.
func openInProcess(ctx context.Context, o shopOptions) (*shopFleet, error) {
	dir, out := o.dir, o.out
	f, err := shopFile(o)
	if err != nil {
		return nil, err
	}
	if err := preflight.ChoosePorts(f); err != nil {
		return nil, err
	}
	if err := preflight.Ports(f); err != nil {
		return nil, err
	}
	l := &local{fleet: f, dir: dir}
	for _, folder := range []string{"data", "logs"} {
		if err := os.MkdirAll(l.state(folder), 0o755); err != nil {
			return nil, err
		}
	}
	controlURL := "http://127.0.0.1:" + strconv.Itoa(f.Control.Port)
	if err := l.writeEdge(controlURL); err != nil {
		return nil, err
	}
	edge, err := gateway.ReadConfig(l.state("edge.json"))
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(l.state("logs/process.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	env := map[string]string{"CONTROL_PORT": strconv.Itoa(f.Control.Port), "MUSTER_REGISTRY_URL": controlURL}
	services := []muster.Service{control.Service(control.Config{})}
	for _, s := range shopServices {
		env[strings.ToUpper(s.Name)+"_DATABASE_URL"] = databaseURL(dir, s.Name)
		services = append(services, s)
	}

	asked := ctx
	ctx, cancel := context.WithCancel(asked)
	s := &shopFleet{url: "http://" + edge.Listen, control: controlURL, dir: dir, ended: make(chan error, 1), cancel: cancel}
	up, ended := make(chan string, len(services)+1), make(chan error, 2)
	edge.Ready = func(net.Addr) { up <- "edge" }
	go func() { ended <- gateway.Run(ctx, edge) }()
	go func() {
		ended <- muster.Run(ctx, services, drivers(), muster.Environment(environment(env)), muster.LogTo(log),
			muster.OnReady(func(name string, _ muster.Settings) { up <- name }))
	}()
	go func() {
		first := <-ended
		cancel() // one ends, all end
		s.ended <- errors.Join(first, <-ended, log.Close())
	}()
	for range len(services) + 1 {
		select {
		case name := <-up:
			_, _ = fmt.Fprintf(out, "%-14s ready\n", name)
		case err := <-s.ended:
			if asked.Err() != nil {
				err = errInterrupted
			}
			return nil, err
		}
	}
	_, _ = fmt.Fprintf(out, "all ready in one process, logs in %s\n", filepath.Join(dir, supervise.Folder, "logs"))
	return s, nil
}
