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
	"github.com/musterdev/muster/problem"
)

const (
	// lameDuck is how long a service that nobody drained before goes on serving
	// after it said that it is draining: the time callers take to hear of it.
	lameDuck = time.Second
	// drainBound is how long calls in flight may take to end.
	drainBound = 10 * time.Second
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
			if err := w.run(workCtx); err != nil && workCtx.Err() == nil {
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
	return err
}

// incoming is what a service listens on.
type incoming struct {
	listeners []net.Listener // for closing
	http      []net.Listener
	grpc      []net.Listener
	server    *http.Server      // for TCP
	siblings  *http.Server      // for pipes
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
		*e.list = append(*e.list, l)
		if a.pipes.views[a.Name()] != nil {
			p, at := a.pipes.listen(a.Name(), e.name)
			in.pipes[e.name] = at
			*e.list = append(*e.list, p)
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
	handler := a.probes.Handler(a.telemetry.Handler(recoverHTTP(a.Log(),
		call.ReceiveDeadline(admitHTTP(a.options.guard, a.notFound(a.mux))))))
	in.server, in.siblings = newServer(handler), newServer(handler)
	secure := a.options.tls.Server()
	for _, l := range in.http {
		server := in.siblings
		if l.Addr().Network() == "tcp" {
			server = in.server
			if secure != nil {
				l = tls.NewListener(l, secure)
			}
		}
		serving.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("HTTP server: %w", err)
			}
		})
	}
	for _, l := range in.grpc {
		serving.Go(func() {
			if err := a.grpc.Serve(l); err != nil {
				failed <- fmt.Errorf("gRPC server: %w", err)
			}
		})
	}
}

func newServer(handler http.Handler) *http.Server {
	s := &http.Server{
		Handler:           handler,
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

// notFound gives requests that no pattern matches the one error shape.
func (a *App) notFound(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			problem.Write(w, r, problem.New(problem.NotFound, "service %q has no %s", a.Name(), r.URL.Path))
			return
		}
		mux.ServeHTTP(w, r)
	})
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
		lease = a.registry.Hold(self)
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

// drain ends the service without losing a call: callers hear of it first, unless
// the fleet drained this instance before it asked it to end. Services that share the
// process go on answering one another until none has a call from outside left.
func (a *App) drain(in *incoming, lease *discovery.Lease, stopWork func(), failed bool) {
	a.Log().Info("draining")
	a.probes.Draining()
	a.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if lease != nil && !failed {
		lease.Drain(lameDuck) // returns at once when the fleet had drained it already
	}
	stopWork()
	ctx, cancel := context.WithTimeout(context.Background(), drainBound)
	defer cancel()
	a.stopHTTP(ctx, in.server)
	a.leave()
	a.pipes.allLeft(ctx)

	var ending sync.WaitGroup
	ending.Go(func() { a.stopHTTP(ctx, in.siblings) })
	ending.Go(func() { a.stopGRPC(ctx) })
	ending.Wait()
	if lease != nil {
		lease.Release()
	}
}

func (a *App) stopHTTP(ctx context.Context, s *http.Server) {
	if err := s.Shutdown(ctx); err != nil {
		a.Log().Warn("HTTP calls were cut off at the drain's bound", "bound", drainBound.String())
		_ = s.Close() // whatever is left has had its time
	}
}

func (a *App) stopGRPC(ctx context.Context) {
	done := make(chan struct{})
	go func() { a.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		a.Log().Warn("gRPC calls were cut off at the drain's bound", "bound", drainBound.String())
		a.grpc.Stop()
		<-done
	}
}
