package muster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
)

// Serve listens, registers the instance, says it is ready and serves until ctx ends;
// then it drains: callers are told, calls in flight finish (10 s at most), workers
// stop, the lease is given back. It returns nil after a drain, and may be called once.
func (a *App) Serve(ctx context.Context) error {
	a.mu.Lock()
	if a.served {
		a.mu.Unlock()
		return errors.New("app.Serve was called twice")
	}
	a.served = true
	a.mu.Unlock()
	if err := a.consume(); err != nil {
		return err
	}
	a.crashing()
	a.mu.Lock()
	workers, broken := a.workers, errors.Join(a.broken...)
	a.mu.Unlock()
	if broken != nil {
		return broken
	}

	in, err := a.listen()
	if err != nil {
		return err
	}
	defer in.close()

	failed := make(chan error, len(in.listeners)+len(workers))
	var serving, working sync.WaitGroup
	a.startServers(in, &serving, failed)
	workCtx, stopWork := context.WithCancel(ctx)
	defer stopWork()
	for _, w := range workers {
		working.Go(func() {
			switch err := w.run(a.within(workCtx)); {
			case err == nil, errors.Is(err, workCtx.Err()):
			case workCtx.Err() != nil: // Serve has its result; this would be lost
				a.Log().Error("a worker failed while the service drained", "worker", w.name, "error", err)
			default:
				failed <- fmt.Errorf("worker %q: %w", w.name, err)
			}
		})
	}

	lease := a.announce(in)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	a.drain(in, lease, stopWork, err != nil)
	working.Wait()
	serving.Wait()
	close(failed)
	for also := range failed { // what came too late to be the result
		a.Log().Error("the service failed while it drained", "error", also)
	}
	return err
}

// incoming is what a service listens on.
type incoming struct {
	listeners []net.Listener // for closing
	http      []net.Listener
	grpc      []net.Listener
	server    *httpServer       // for TCP
	siblings  *httpServer       // for pipes
	endpoints map[string]string // for the registry
	pipes     map[string]string // for siblings in this process
}

func (in *incoming) close() {
	for _, l := range in.listeners {
		_ = l.Close() // most are closed by their server already
	}
}

func (a *App) listen() (*incoming, error) {
	in := &incoming{endpoints: map[string]string{}, pipes: map[string]string{}}
	for _, e := range []struct {
		name, variable string
		port           *int
		list           *[]net.Listener
	}{
		{discovery.HTTP, "PORT", &a.settings.Port, &in.http},
		{discovery.GRPC, "GRPC_PORT", &a.settings.GRPCPort, &in.grpc},
	} {
		l, err := net.Listen("tcp", net.JoinHostPort(a.settings.Host, strconv.Itoa(*e.port)))
		if err != nil {
			in.close()
			return nil, fmt.Errorf("%s=%d: %w: choose another port or end the program that has it", e.variable, *e.port, err)
		}
		addr, ok := l.Addr().(*net.TCPAddr)
		if !ok { // net.Listen("tcp") has no other address
			return nil, fmt.Errorf("%s: %s is no TCP address", e.variable, l.Addr())
		}
		*e.port = addr.Port
		in.endpoints[e.name] = net.JoinHostPort(advertised(addr), strconv.Itoa(addr.Port))
		*e.list = append(*e.list, a.options.crash.Listener(l, "answer "+e.name))
		if a.pipes.views[a.Name()] != nil {
			p, at := a.pipes.listen(a.Name(), e.name)
			in.pipes[e.name] = at
			*e.list = append(*e.list, a.options.crash.Listener(p, "answer "+e.name))
		}
		in.listeners = append(in.listeners, *e.list...)
	}
	return in, nil
}

// advertised is the address others reach a listener by: an unspecified one is
// replaced by the host's first global address.
func advertised(addr *net.TCPAddr) string {
	if !addr.IP.IsUnspecified() {
		return addr.IP.String()
	}
	addrs, _ := net.InterfaceAddrs() // without any, loopback is what is left
	for _, at := range addrs {
		if n, ok := at.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}

func (a *App) startServers(in *incoming, serving *sync.WaitGroup, failed chan<- error) {
	handler := a.probes.Handler(a.aheadOf(a.telemetry.Handler(recoverHTTP(a.Log(),
		call.ReceiveDeadline(a.door.Handler(admitHTTP(a.options.guard, a.withinHTTP(a.notFound(a.mux)))))))))
	in.server, in.siblings = newServer(handler), newServer(handler)
	secure := a.options.tls.Server()
	for _, l := range in.http {
		server := in.siblings
		if l.Addr().Network() == "tcp" {
			server = in.server
		}
		if secure != nil { // pipes too: siblings call as over a network
			l = tls.NewListener(l, secure)
		}
		serving.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("HTTP server: %w", err)
			}
		})
	}
	for _, l := range in.grpc {
		serving.Go(func() {
			if err := a.grpc.Serve(l); err != nil && !errors.Is(err, net.ErrClosed) { // closed by drain
				failed <- fmt.Errorf("gRPC server: %w", err)
			}
		})
	}
}

// httpServer is a server that knows its requests, also those whose connection was
// upgraded, which net/http forgets.
type httpServer struct {
	http.Server

	requests counter
	cut      context.CancelFunc // ends the requests that are left, upgraded ones too
}

func newServer(handler http.Handler) *httpServer {
	base, cut := context.WithCancel(context.Background())
	s := &httpServer{cut: cut}
	s.Server = http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.requests.add(1)
			defer s.requests.add(-1)
			handler.ServeHTTP(w, r)
		}),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: readHeaderBound,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         &http.Protocols{},
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	return s
}

// announce makes the instance known and ready. Without a registry it is ready for
// whoever knows its address.
func (a *App) announce(in *incoming) *discovery.Lease {
	a.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING)
	self := discovery.Instance{
		ID: a.Instance(), Service: a.Name(), Version: a.Version(), Zone: a.Zone(), Weight: a.settings.Weight,
		State: discovery.Ready, Endpoints: in.endpoints, Holder: discovery.HolderSelf,
	}
	var lease *discovery.Lease
	if a.registry != nil {
		lease = a.registry.HoldAs(self, a.settings.Lease)
	}
	a.probes.Started(lease != nil)
	if len(in.pipes) > 0 {
		local := self
		local.Endpoints = in.pipes
		a.pipes.publish(a.Name(), local)
	}
	a.Log().Info("serving", "http", in.endpoints[discovery.HTTP], "grpc", in.endpoints[discovery.GRPC], "version", a.Version())
	if a.options.ready != nil {
		a.options.ready(a.Name(), a.settings)
	}
	return lease
}
