package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/control"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/ctl"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/probe"
)

// local says how a fleet runs on this machine: the supervisor in this process,
// control and edge as its children or, single, beside it in this process.
type local struct {
	fleet  *fleet.Fleet
	dir    string                       // gets the folder .muster
	single bool                         // engines in this process
	load   func() (*fleet.Fleet, error) // reads the file again; nil: it is not watched
	watch  bool                         // services are replaced when their files change
	events func(event.Event)
}

// edgeSocket is the name of the edge's admin socket.
const edgeSocket = "edge.sock"

// running is a fleet that is up.
type running struct {
	*supervise.Supervisor
	EdgeURL    string
	ControlURL string
	ended      chan error // gets Run's error once, when everything has stopped
}

// start brings the fleet up and returns when everything is ready, or with what kept
// it from that; then nothing of it is left.
func (l *local) start(ctx context.Context) (*running, error) {
	if err := preflight.ChoosePorts(l.fleet); err != nil {
		return nil, err
	}
	r := &running{
		EdgeURL:    "http://127.0.0.1:" + strconv.Itoa(l.fleet.Edge.Port),
		ControlURL: "http://127.0.0.1:" + strconv.Itoa(l.fleet.Control.Port),
		ended:      make(chan error, 1),
	}
	socket, err := ctl.Listen(l.dir) // first: what a fleet that runs here reads is not to be overwritten
	if err != nil {
		return nil, err
	}
	if err := preflight.Ports(l.fleet); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	cfg, err := l.config(r.ControlURL)
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	up := make(chan struct{})
	cfg.Events = func(e event.Event) {
		if l.events != nil {
			l.events(e)
		}
		if e.Kind == event.FleetReady {
			close(up)
		}
	}
	if r.Supervisor, err = supervise.New(cfg); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	engines := func() error { return nil }
	if l.single {
		if engines, err = l.startEngines(ctx); err != nil {
			return nil, errors.Join(err, socket.Close())
		}
	}
	orders, noOrders := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- ctl.Serve(orders, socket, r.Supervisor) }()
	go func() {
		err := errors.Join(r.Run(ctx), engines())
		noOrders()
		r.ended <- errors.Join(err, <-served)
	}()
	select {
	case <-up:
		return r, nil
	case err := <-r.ended:
		switch {
		case ctx.Err() != nil:
			err = errInterrupted // what failed, failed because of that
		case err == nil:
			err = errEnded
		}
		return nil, err
	}
}

// errEnded is the end of a fleet that nobody ordered here.
var errEnded = errors.New("the fleet was ended by somebody else")

// stop ends the fleet and returns when nothing of it is left.
func (r *running) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(r.Down(ctx), <-r.ended)
}

func (l *local) state(name string) string {
	return filepath.Join(l.dir, supervise.Folder, name)
}

func (l *local) config(controlURL string) (supervise.Config, error) {
	exe, err := os.Executable()
	if err != nil {
		return supervise.Config{}, fmt.Errorf("find the muster binary itself: %w", err)
	}
	// No connection is kept: one that a pool opened and had no use for would hold up
	// the end of control for five seconds (see http.Server.Shutdown).
	registry, err := discovery.NewClient(discovery.ClientConfig{URL: controlURL, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		return supervise.Config{}, err
	}
	edge := admin.NewClient(ctl.Socket(l.dir, edgeSocket))
	cfg := supervise.Config{
		Fleet: l.fleet, Dir: l.dir, Guardian: []string{exe, "engine", "guardian"},
		RegistryURL: controlURL, Registry: registry, Edge: edge, Telemetry: os.Getenv(otlpEndpoint),
		Load: l.load, Watch: l.watch,
		Applied: func(ctx context.Context, f *fleet.Fleet) error { return edge.SetRoutes(ctx, routes(f)) },
	}
	if err := l.writeEdge(controlURL); err != nil {
		return cfg, err
	}
	if !l.single {
		cfg.Engines = []supervise.Engine{
			{
				Name: "control", Argv: []string{exe, "engine", "control", "--state", l.state(""), "--generation", rand.Text()},
				Env: []string{"PORT=" + strconv.Itoa(l.fleet.Control.Port)}, Port: l.fleet.Control.Port,
				Setting: preflight.ControlSetting,
			},
			{
				Name: "edge", Argv: []string{exe, "engine", "edge", "--config", l.state("edge.json")}, Port: l.fleet.Edge.Port,
				Setting: preflight.EdgeSetting, Front: true,
				Env:   l.telemetry(),
				Ready: edgeLives(l.fleet.Edge.Port), Live: edgeLives(l.fleet.Edge.Port),
			},
		}
	}
	return cfg, nil
}

// edgeLives asks the edge itself: a port alone is open for a frozen process too.
func edgeLives(port int) probe.Target {
	return probe.Target{Kind: probe.HTTP, Address: "127.0.0.1:" + strconv.Itoa(port), Path: gateway.LivePath}
}

// telemetry tells the edge where the services' telemetry goes, so that a trace begins
// there.
func (l *local) telemetry() []string {
	endpoint := l.fleet.Telemetry.Endpoint
	if _, set := os.LookupEnv(otlpEndpoint); set || endpoint == "" || strings.Contains(endpoint, "${") {
		return nil // inherited, nowhere, or another for each service
	}
	return []string{otlpEndpoint + "=" + endpoint}
}

// writeEdge writes what the edge starts from: it must be able to start while
// nobody is there to tell it.
func (l *local) writeEdge(controlURL string) error {
	if err := os.MkdirAll(l.state(""), 0o755); err != nil {
		return fmt.Errorf("make the fleet's folder: %w", err)
	}
	// nothing in there is for version control, not even this file
	if err := os.WriteFile(l.state(".gitignore"), []byte("*\n"), 0o644); err != nil {
		return fmt.Errorf("keep the fleet's folder out of version control: %w", err)
	}
	for name, v := range map[string]any{
		"edge.json": gateway.Config{
			Listen: "127.0.0.1:" + strconv.Itoa(l.fleet.Edge.Port), Admin: ctl.Socket(l.dir, edgeSocket), Registry: controlURL,
			StateDir: l.state("edge"), Routes: l.state("routes.json"), AccessLog: l.state("logs/access.log"),
		},
		"routes.json": route.Document{Routes: routes(l.fleet)},
	} {
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(l.state(name), append(data, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the edge's configuration: %w", err)
		}
	}
	return nil
}

// startEngines runs control and edge in this process. The edge ends with ctx, so
// that it lets nothing in while the services end; stop ends what is left.
func (l *local) startEngines(ctx context.Context) (stop func() error, err error) {
	cfg, err := gateway.ReadConfig(l.state("edge.json"))
	if err != nil {
		return nil, err
	}
	ended, ready := make(chan error, 2), make(chan struct{}, 2)
	cfg.Ready = func(net.Addr) { ready <- struct{}{} }
	edge, stopEdge := context.WithCancel(ctx)
	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	stop = func() error {
		stopEdge()
		stopRest()
		return errors.Join(<-ended, <-ended)
	}
	go func() { ended <- gateway.Run(edge, cfg) }()
	go func() {
		ended <- muster.Run(rest, []muster.Service{control.Service(control.Config{StateDir: l.state(""), Generation: rand.Text()})},
			muster.Environment(environment(map[string]string{"PORT": strconv.Itoa(l.fleet.Control.Port)})),
			muster.OnReady(func(string, muster.Settings) { ready <- struct{}{} }), muster.LogTo(io.Discard))
	}()
	for range 2 {
		select {
		case <-ready:
		case err := <-ended:
			ended <- err // for stop
			if err = stop(); err == nil || ctx.Err() != nil {
				err = errInterrupted // no engine ends by itself
			}
			return nil, err
		}
	}
	return stop, nil
}

// environment answers only for these variables.
func environment(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

// routes turns the fleet's routing table into the edge's.
func routes(f *fleet.Fleet) []route.Route {
	list := make([]route.Route, 0, len(f.Services))
	for _, r := range f.Routes() {
		out := route.Route{Host: r.Host, Path: r.Path, GRPC: r.GRPC, Service: r.Service}
		for _, v := range r.Versions {
			out.Versions = append(out.Versions, route.Share{Version: v.Version, Weight: v.Weight})
		}
		list = append(list, out)
	}
	return list
}
