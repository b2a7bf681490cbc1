package gateway

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// Config says what an edge is. The fields with a JSON name are those of its file.
type Config struct {
	Listen   string `json:"listen"`   // host:port of the traffic; "" means 127.0.0.1:8080
	Admin    string `json:"admin"`    // path of the admin socket, at most about 100 bytes; needed
	Registry string `json:"registry"` // URL; "" needs Resolver

	// StateDir keeps the last known instances over restarts; "" keeps nothing.
	StateDir string `json:"state_dir"`
	// Routes is the file with the routing table, a route.Document. It is read at the
	// start, missing means no routes, and written whenever a new table is taken into
	// use. "" begins without routes and keeps nothing.
	Routes string `json:"routes"`
	// AccessLog is the file of the access log; a full one (64 MiB) is put aside as
	// NAME.1. "" logs nothing, unless AccessLogTo is set.
	AccessLog string `json:"access_log"`

	// Local is the port at which programs on this machine call services by name: see
	// package local. 0: none.
	Local int `json:"local,omitempty"`
	// Services are known to the local proxy before their first instance comes.
	Services []string `json:"services,omitempty"`
	// TCP are the listeners of connections that are not HTTP, by host:port: see package l4.
	TCP map[string]l4.Routes `json:"tcp,omitempty"`
	// TCPFile is the file with these listeners, an admin.TCP. It is read at the start, when
	// it is there in place of TCP, and written whenever others are taken into use. "" keeps
	// nothing.
	TCPFile string `json:"tcp_file,omitempty"`

	// Telemetry makes spans and logs; its owner shuts it down. nil: trace ids are
	// passed on, nothing else.
	Telemetry *observe.Telemetry `json:"-"`
	// Listener takes the place of Listen. Run closes it.
	Listener net.Listener `json:"-"`
	// LocalListener takes the place of Local. Run closes it.
	LocalListener net.Listener `json:"-"`
	// Resolver takes the place of Registry and StateDir.
	Resolver discovery.Resolver `json:"-"`
	// AccessLogTo takes the place of AccessLog. It is written from one goroutine.
	AccessLogTo io.Writer `json:"-"`
	// Ready is called once the edge listens, with the address of the traffic.
	Ready func(addr net.Addr) `json:"-"`

	Wait          time.Duration `json:"-"` // how long a request waits for an instance; 0: 3 s, negative: not
	AnswerTimeout time.Duration `json:"-"` // see proxy.Config; 0: 30 s
	EndWithin     time.Duration `json:"-"` // how long requests in flight have at the end; 0: 10 s
}

// ReadConfig reads the file that `muster engine edge --config` names: JSON, without
// unknown members.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the edge's configuration: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var c Config
	if err := d.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("%s: the edge's configuration cannot be read: %w", path, err)
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c Config) check() error {
	switch {
	case c.Admin == "":
		return errors.New("admin: the path of the admin socket is missing")
	case c.Registry == "" && c.Resolver == nil:
		return errors.New("registry: the URL of the registry is missing")
	}
	if _, _, err := net.SplitHostPort(cmp.Or(c.Listen, DefaultListen)); err != nil {
		return fmt.Errorf("listen: %q is not host:port: %w", c.Listen, err)
	}
	if c.Local < 0 || c.Local > 65535 {
		return fmt.Errorf("local: %d is not a port: it must be from 1 to 65535, or 0 for none", c.Local)
	}
	return l4.Validate(c.TCP)
}

// DefaultListen is where an edge listens that is not told.
const DefaultListen = "127.0.0.1:8080"

func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, DefaultListen)
	c.EndWithin = cmp.Or(c.EndWithin, 10*time.Second)
	return c
}

// writeFile replaces a file as a whole, so that nobody ever reads half of it.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
	return err
}
