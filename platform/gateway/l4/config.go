package l4

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// Endpoint is the name of the endpoint that a Target means which names none.
const Endpoint = discovery.TCP

// Target is where connections go.
type Target struct {
	Service  string `json:"service"`
	Endpoint string `json:"endpoint,omitempty"` // of the instance; "" means Endpoint
}

// Routes say where the connections of one listener go.
type Routes struct {
	// Default gets the connections that no name decides. Its zero value is nowhere.
	Default Target `json:"default,omitzero"`
	// Names are DNS names that TLS clients ask for. "*.example.com" stands for all names
	// that have one label more than example.com. With any, a client has to speak first: one
	// that waits for its server's greeting is cut off after Config.Hello.
	Names map[string]Target `json:"names,omitempty"`
	// IdleSeconds is how long a connection may be silent; 0 means Config.Idle.
	IdleSeconds int `json:"idle_seconds,omitempty"`
}

// maxIdleSeconds is a year.
const maxIdleSeconds = 366 * 24 * 3600

// Validate returns nil, or an InvalidArgument *problem.Error that names all that is wrong.
func (r Routes) Validate() error {
	e := problem.New(problem.InvalidArgument, "the routes of connections are not valid")
	target := func(field string, t Target) {
		if !discovery.ValidName(t.Service) {
			e = e.WithField(field+".service", fmt.Sprintf("%.80q is not the name of a service: a-z, 0-9 and '-', at most 63, beginning with a letter", t.Service))
		}
		if t.Endpoint != "" && !discovery.ValidName(t.Endpoint) {
			e = e.WithField(field+".endpoint", fmt.Sprintf("%.80q is not the name of an endpoint, such as %s", t.Endpoint, Endpoint))
		}
	}
	if r.IdleSeconds < 0 || r.IdleSeconds > maxIdleSeconds {
		e = e.WithField("idle_seconds", fmt.Sprintf("must be from 1 to %d, or 0 for the usual", maxIdleSeconds))
	}
	if len(r.Names) == 0 || r.Default != (Target{}) {
		target("default", r.Default)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Names)) {
		field := fmt.Sprintf("names.%.255q", name)
		if !validServerName(strings.TrimPrefix(name, "*.")) {
			e = e.WithField(field, `must be a DNS name in lower case, such as "db.example.com" or "*.example.com"`)
		}
		target(field, r.Names[name])
	}
	if len(e.Details) == 0 {
		return nil
	}
	return e
}

// validServerName reports whether s is a DNS name in lower case; "_" is seen in some. The
// last label of a name is never a number, which tells it from an address: no client asks
// for one (RFC 6066, 3).
func validServerName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return strings.Trim(s[strings.LastIndexByte(s, '.')+1:], "0123456789") != ""
}

// services are those that connections may go to.
func (r Routes) services() []string {
	var names []string
	if r.Default != (Target{}) {
		names = append(names, r.Default.Service)
	}
	for _, t := range r.Names {
		names = append(names, t.Service)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// find returns the target of a client that asked for name, in lower case; "" asks for none.
func (r Routes) find(name string) (Target, bool) {
	t, ok := r.Names[name]
	if _, parent, more := strings.Cut(name, "."); !ok && more {
		t, ok = r.Names["*."+parent]
	}
	if !ok {
		t, ok = r.Default, r.Default != (Target{})
	}
	t.Endpoint = cmp.Or(t.Endpoint, Endpoint)
	return t, ok
}

// Config says how a Proxy works. Resolver and Routes are needed.
type Config struct {
	Resolver discovery.Resolver
	Routes   Routes
	// Idle is how long a connection may be silent, both ways, before it is ended. It
	// counts for a side too that takes nothing of what the other sends. 0 means 1 h, as
	// pools of database connections keep theirs for long.
	Idle time.Duration
	// EndIdle takes the place of Idle when Ports are shut down: a pool that keeps
	// connections for later is not to hold up the end. 0 means 1 s.
	EndIdle time.Duration
	// Hello bounds the wait for a TLS client's first message. 0 means 5 s.
	Hello time.Duration
	// Connect bounds one attempt to reach an instance. 0 means 2 s.
	Connect time.Duration
	// Wait bounds how long a connection waits for an instance while none can be reached.
	// 0 means 3 s, negative not at all.
	Wait time.Duration
	// Max bounds the connections that are open at a time; more are reset. Each has buffers
	// of 128 KiB while bytes flow both ways and of 4 KiB while none do. 0 means 10,000.
	Max int
	// Dial opens connections to instances; nil means TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Listen opens the listeners of Ports; nil means TCP.
	Listen func(ctx context.Context, addr string) (net.Listener, error)
	Log    *slog.Logger // nil logs nothing
}

func (c Config) withDefaults() Config {
	c.Idle = cmp.Or(c.Idle, time.Hour)
	c.EndIdle = cmp.Or(c.EndIdle, time.Second)
	c.Hello = cmp.Or(c.Hello, 5*time.Second)
	c.Connect = cmp.Or(c.Connect, 2*time.Second)
	c.Wait = cmp.Or(c.Wait, 3*time.Second)
	c.Max = cmp.Or(c.Max, 10_000)
	if c.Dial == nil {
		dialer := &net.Dialer{KeepAlive: 15 * time.Second}
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) }
	}
	if c.Listen == nil {
		c.Listen = func(ctx context.Context, addr string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
