package local

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

const (
	askEvery  = 250 * time.Millisecond // how often the names are asked for at most
	askWithin = time.Second            // how long an answer is waited for
	// maxDoubtful bounds the names that are followed although nobody could be asked
	// whether they are a service's.
	maxDoubtful = 64
	// maxListed is how many services a message lists to who named none of them.
	maxListed = 12
)

// directory knows the services and is their table of routes. It begins to follow a
// service with the first request that names it; a name that is none is never followed.
type directory struct {
	resolver discovery.Resolver
	ask      func(ctx context.Context) ([]string, error)
	always   []string // are services whatever the registry says

	mu       sync.RWMutex
	targets  map[string]targets // by service
	doubtful map[string]bool

	asking sync.Mutex // held while asking: who wants the names meanwhile wants this answer
	asked  time.Time
	names  []string // that the last answer held
	err    error    // why there was none
}

// targets are where requests for one service go.
type targets struct{ http, grpc *route.Target }

func newDirectory(cfg Config) *directory {
	d := &directory{
		resolver: cfg.Resolver, ask: cfg.Names, always: slices.Clone(cfg.Services),
		targets: map[string]targets{}, doubtful: map[string]bool{},
	}
	if d.ask == nil {
		d.ask = func(context.Context) ([]string, error) { return nil, nil }
	}
	for _, name := range d.always {
		d.follow(name)
	}
	return d
}

// find is the gateway's: Host names the service.
func (d *directory) find(x *proxy.Exchange) (*route.Target, error) {
	service := x.Request.Host
	d.mu.RLock()
	t, ok := d.targets[service]
	d.mu.RUnlock()
	if !ok {
		if err := d.learn(service, x); err != nil {
			return nil, err
		}
		t = d.follow(service)
	}
	if x.Request.RPC {
		return t.grpc, nil
	}
	return t.http, nil
}

// follow begins to watch a service, if it is not yet.
func (d *directory) follow(service string) targets {
	d.resolver.View(service)
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.targets[service]
	if !ok {
		t.http = &route.Target{Route: route.Route{Host: service, Path: "/", Service: service}, Label: service}
		t.grpc = &route.Target{Route: route.Route{Host: service, Path: "/", GRPC: true, Service: service}, Label: service}
		d.targets[service] = t
	}
	return t
}

// learn returns nil when service is one, by what the registry says or said.
func (d *directory) learn(service string, x *proxy.Exchange) error {
	names, err := d.list(service)
	switch {
	case slices.Contains(names, service):
		return nil
	case err == nil || !discovery.ValidName(service):
		return unknown(service, x, names)
	case d.remembered(service):
		return nil
	}
	which := err.Error()
	if near := nearest(service, names); near != "" {
		which = near + " (" + which + ")"
	}
	return problem.Wrap(err, problem.Unavailable, "the registry cannot be asked whether there is a service %q: %s", service, which).WithRetryAfter(time.Second)
}

// list returns all services. While the registry is away, which the error says, they are
// those it knew when it was last heard.
func (d *directory) list(service string) ([]string, error) {
	d.asking.Lock()
	defer d.asking.Unlock()
	if slices.Contains(d.names, service) || time.Since(d.asked) < askEvery {
		return d.names, d.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	names, err := d.ask(ctx)
	if err == nil {
		names = slices.Concat(names, d.always)
		slices.Sort(names)
		d.names = slices.Compact(names)
	}
	d.err, d.asked = err, time.Now()
	return d.names, d.err
}

// remembered reports whether the resolver has instances of a service of which the registry
// cannot be asked: those it kept on disk. A few such names are followed.
func (d *directory) remembered(service string) bool {
	d.mu.Lock()
	follows := d.doubtful[service] || len(d.doubtful) < maxDoubtful
	if follows {
		d.doubtful[service] = true
	}
	d.mu.Unlock()
	return follows && len(d.resolver.View(service).Instances()) > 0
}

// nearest asks whether one of the names was meant that are near, "" when none is.
func nearest(service string, names []string) string {
	near := problem.Near(service, names)
	if len(near) == 0 {
		return ""
	}
	return `did you mean "` + strings.Join(near, `" or "`) + `"?`
}

// unknown says that there is no such service, and which are near.
func unknown(service string, x *proxy.Exchange, names []string) error {
	which := "there is none yet"
	near := nearest(service, names)
	switch {
	case near != "":
		which = near
	case len(names) > maxListed:
		which = fmt.Sprintf("there are %d, such as %s", len(names), strings.Join(names[:maxListed], ", "))
	case len(names) > 0:
		which = "there are " + strings.Join(names, ", ")
	}
	switch {
	case service != "":
		return problem.New(problem.NotFound, "the fleet has no service %.80q: %s", service, which)
	case x.Request.RPC:
		return problem.New(problem.NotFound, "the call names no service: set its authority to one, as in grpc.WithAuthority(%q): %s", "catalog", which)
	}
	return problem.New(problem.NotFound, "the request names no service: it is the first part of the path, as in /catalog/v1/products, or the host: %s", which)
}
