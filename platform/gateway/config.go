package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/certs"
	"github.com/musterdev/muster/platform/gateway/filter/addresses"
	"github.com/musterdev/muster/platform/gateway/l4"
	"github.com/musterdev/muster/platform/gateway/snapshot"
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
	// TrustedProxies are the addresses or prefixes of proxies in front of the edge, which are
	// believed for whom they ask: X-Forwarded-For and X-Forwarded-Proto.
	TrustedProxies []string `json:"trusted_proxies,omitempty"`
	// LeastRate is how slowly the body of a request may come, in bytes a second, on average of
	// the time in which the edge waits for the client: less is answered 408, after 5 s at the
	// earliest. 0: 240; negative: as slowly as it likes. A route's filter of the kind "size" may
	// have another rate. Bodies of gRPC, and those whose answer has begun, are not bounded.
	LeastRate int64 `json:"least_rate,omitempty"`
	// NoShedding has nobody turned away however far behind the edge is, as where a machine's
	// processors are so slow or so shared that what the edge sees of them means nothing.
	NoShedding bool `json:"no_shedding,omitempty"`
	// Table is what the edge begins with while there is no such file.
	Table *snapshot.Document `json:"table,omitempty"`
	// Instances takes the place of Registry for an edge without a fleet: where the instances
	// of each service are, host:port. They answer HTTP, and gRPC where a route says so.
	Instances map[string][]string `json:"instances,omitempty"`
	// Bus is the URL of the fleet's broker, by which edges share their limits; "" none.
	Bus string `json:"bus,omitempty"`
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

	// Middleware are a program's own filters, by the name that a filter of the kind
	// "middleware" has in its With: {"name": "..."}. Each is asked to wrap once for each such
	// filter, and sees the requests of all routes that name it, after other filters have.
	Middleware map[string]func(http.Handler) http.Handler `json:"-"`
	// TLS is spoken at a port of its own beside Listen; nil: nowhere. Keys and certificates of
	// its own are in the folder "tls" of StateDir.
	TLS *certs.Config `json:"tls,omitempty"`

	// Telemetry makes spans and logs; its owner shuts it down. nil: trace ids are
	// passed on, nothing else.
	Telemetry *observe.Telemetry `json:"-"`
	// Listener takes the place of Listen. Run closes it.
	Listener net.Listener `json:"-"`
	// TLSListener takes the place of TLS.Listen, without encryption yet. Run closes it.
	TLSListener net.Listener `json:"-"`
	// LocalListener takes the place of Local. Run closes it.
	LocalListener net.Listener `json:"-"`
	// Resolver takes the place of Registry and StateDir.
	Resolver discovery.Resolver `json:"-"`
	// AccessLogTo takes the place of AccessLog. It is written from one goroutine.
	AccessLogTo io.Writer `json:"-"`
	// Store takes the place of Bus for what edges share: limits and quotas. Redis is one, and
	// memcached, see drivers. Its owner closes it.
	Store cache.Shared `json:"-"`
	// Ready is called once the edge listens, with the address of the traffic.
	Ready func(addr net.Addr) `json:"-"`

	// TakeOver is the admin socket of an edge that runs, most often the same as Admin: its
	// listeners are taken over, and it ends once what it has under way has ended, at the
	// latest after Drain. Without such an edge this one starts as if it were the first.
	TakeOver string        `json:"-"`
	Drain    time.Duration `json:"-"` // 0: 10 min

	Wait          time.Duration `json:"-"` // how long a request waits for an instance; 0: 3 s, negative: not
	AnswerTimeout time.Duration `json:"-"` // see proxy.Config; 0: 30 s
	EndWithin     time.Duration `json:"-"` // how long requests in flight have at the end; 0: 10 s
}

// ReadConfig reads the file that `muster engine edge --config` names: JSON, without
// unknown members or members that are there twice.
func ReadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the edge's configuration: %w", err)
	}
	var c Config
	if err := snapshot.Decode(data, &c); err != nil {
		if at, ok := errors.AsType[*snapshot.Misread](err); ok {
			return Config{}, fmt.Errorf("%s:%d:%d: the edge's configuration cannot be read: %s", path, at.Line, at.Column, at.Reason)
		}
		return Config{}, fmt.Errorf("%s: the edge's configuration cannot be read: %w", path, err)
	}
	if c.Table != nil && c.Table.Routes == nil {
		return Config{}, fmt.Errorf("%s: table.routes: is missing; an empty table is []", path)
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
	case c.Registry == "" && c.Resolver == nil && len(c.Instances) == 0:
		return errors.New("registry: the URL of the registry is missing; an edge without a fleet has instances in its place")
	case c.Registry != "" && len(c.Instances) > 0:
		return errors.New("instances: the registry knows the instances; leave one of the two out")
	}
	if _, err := c.trusted(); err != nil {
		return err
	}
	if err := c.checkInstances(); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(cmp.Or(c.Listen, DefaultListen)); err != nil {
		return fmt.Errorf("listen: %q is not host:port: %w", c.Listen, err)
	}
	if c.Local < 0 || c.Local > 65535 {
		return fmt.Errorf("local: %d is not a port: it must be from 1 to 65535, or 0 for none", c.Local)
	}
	if c.TLS != nil {
		if err := c.TLS.Validate(); err != nil {
			return err
		}
	}
	return l4.Validate(c.TCP)
}

// trusted is the set of TrustedProxies.
func (c Config) trusted() (*addresses.Set, error) {
	var prefixes []netip.Prefix
	for i, text := range c.TrustedProxies {
		p, err := addresses.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies[%d]: %w", i, err)
		}
		prefixes = append(prefixes, p)
	}
	return addresses.NewSet(prefixes...), nil
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
