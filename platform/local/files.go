package local

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/preflight"
	"github.com/musterdev/muster/platform/supervise/ctl"
)

// edgeSocket is the name of the edge's admin socket.
const edgeSocket = "edge.sock"

// EdgeSocket returns the admin socket of the edge of the fleet that runs in dir.
func EdgeSocket(dir string) string { return ctl.Socket(dir, edgeSocket) }

// write writes what the engines start from: each must be able to start while nobody
// is there to tell it.
func (cfg *Config) write(controlURL string) error {
	if err := os.MkdirAll(cfg.state(""), 0o755); err != nil {
		return fmt.Errorf("make the fleet's folder: %w", err)
	}
	// nothing in there is for version control, not even this file
	if err := os.WriteFile(cfg.state(".gitignore"), []byte("*\n"), 0o644); err != nil {
		return fmt.Errorf("keep the fleet's folder out of version control: %w", err)
	}
	edge, err := document(cfg.Fleet)
	if err != nil {
		return err
	}
	for name, v := range map[string]any{
		"edge.json": gateway.Config{
			Listen: "127.0.0.1:" + strconv.Itoa(cfg.Fleet.Edge.Port), Admin: ctl.Socket(cfg.Dir, edgeSocket), Registry: controlURL,
			StateDir: cfg.state("edge"), Routes: cfg.state("routes.json"), AccessLog: cfg.state("logs/access.log"),
			Local: cfg.Fleet.Edge.Local, Services: names(cfg.Fleet), TCPFile: cfg.state("tcp.json"),
			TLS: encrypted(cfg.Fleet), Bus: sharedBy(cfg.Fleet),
		},
		"tcp.json":    admin.TCP{Ports: connections(cfg.Fleet)},
		"routes.json": edge,
	} {
		if err := writeJSON(cfg.state(name), v); err != nil {
			return err
		}
	}
	if err := cfg.writeCalls(cfg.Fleet); err != nil || !preflight.Broker(cfg.Fleet) {
		return err
	}
	return cfg.writeSubscriptions(cfg.Fleet)
}

// sharedBy is the broker through which edges share their limits; "": none. An outside one whose
// URL has a password in it is none, as what the engines start from is not secret.
func sharedBy(f *fleet.Fleet) string {
	if f.Bus == "" || !preflight.Broker(f) {
		return busURL(f)
	}
	url, err := f.BusURL(nil)
	if err != nil || strings.Contains(url, "@") {
		return ""
	}
	return url
}

// writeJSON writes a file whole or not at all: an engine that starts again at this
// moment reads it.
func writeJSON(file string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	err = os.WriteFile(file+".new", append(data, '\n'), 0o644)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		return fmt.Errorf("write what the engines start from: %w", err)
	}
	return nil
}

// names are the services of a fleet: calls to one that has not started yet wait for it.
func names(f *fleet.Fleet) []string {
	list := make([]string, len(f.Services))
	for i, s := range f.Services {
		list[i] = s.Name
	}
	return list
}
