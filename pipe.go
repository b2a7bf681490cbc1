package muster

import (
	"context"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc/test/bufconn"

	"github.com/musterdev/muster/call/discovery"
)

// pipeSuffix marks the address of a listener inside this process.
const pipeSuffix = ".pipe:1"

// pipes are the in-memory listeners of the services that share a process: calls
// between them keep their protocol but touch no network.
type pipes struct {
	mu        sync.Mutex
	listeners map[string]*bufconn.Listener // by address
	views     map[string]*discovery.View   // of the siblings
	elsewhere discovery.Resolver           // for every other service
	outside   sync.WaitGroup               // services that may still have a call from outside in flight
}

func newPipes(services []Service) *pipes {
	p := &pipes{listeners: map[string]*bufconn.Listener{}, views: map[string]*discovery.View{}, elsewhere: discovery.Fixed(nil)}
	if len(services) > 1 {
		for _, s := range services {
			p.views[s.Name] = discovery.NewView()
		}
	}
	p.outside.Add(len(services))
	return p
}

// allLeft waits until no service of the process has a call from outside in flight any
// more, or ctx ends.
func (p *pipes) allLeft(ctx context.Context) {
	done := make(chan struct{})
	go func() { p.outside.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// listen opens a pipe listener for one endpoint of a service.
func (p *pipes) listen(service, endpoint string) (net.Listener, string) {
	addr := endpoint + "." + service + pipeSuffix
	l := bufconn.Listen(64 << 10)
	p.mu.Lock()
	p.listeners[addr] = l
	p.mu.Unlock()
	return l, addr
}

// publish says what a sibling offers now.
func (p *pipes) publish(service string, list ...discovery.Instance) {
	if v := p.views[service]; v != nil {
		v.Set(list)
	}
}

// View resolves siblings by pipe and every other service elsewhere.
func (p *pipes) View(service string) *discovery.View {
	if v := p.views[service]; v != nil {
		return v
	}
	return p.elsewhere.View(service)
}

// follow passes on how the siblings are to be called, until ctx ends: the registry knows,
// although their instances are here.
func (p *pipes) follow(ctx context.Context, service string) {
	from, to := p.elsewhere.View(service), p.views[service]
	for {
		changed := from.Changed()
		to.SetSettings(from.Settings())
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Near names the services whose names are near one that nobody has registered.
func (p *pipes) Near(service string) []string {
	if names, ok := p.elsewhere.(discovery.Nearer); ok {
		return names.Near(service)
	}
	return nil
}

func (p *pipes) dial(ctx context.Context, addr string) (net.Conn, error) {
	if !strings.HasSuffix(addr, pipeSuffix) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
	}
	p.mu.Lock()
	l := p.listeners[addr]
	p.mu.Unlock()
	if l == nil {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: net.ErrClosed}
	}
	return l.DialContext(ctx)
}
