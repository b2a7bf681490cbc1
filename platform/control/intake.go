package control

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/telemetry"
)

const (
	readHeaderBound = 10 * time.Second
	idleBound       = 2 * time.Minute
	drainBound      = 3 * time.Second
)

// Intake is where OTLP is taken besides the service's own port: where the world expects
// it. A port that is 0 is not opened.
type Intake struct {
	Host string // "": 127.0.0.1
	HTTP int    // by custom 4318
	GRPC int    // by custom 4317
}

// serve takes OTLP until ctx ends.
func (in Intake) serve(ctx context.Context, t *telemetry.Telemetry) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	failed := make(chan error, 2)
	for _, door := range []struct {
		what  string
		port  int
		serve func(context.Context, net.Listener) error
	}{
		{"HTTP", in.HTTP, func(ctx context.Context, l net.Listener) error { return serveHTTP(ctx, l, t) }},
		{"gRPC", in.GRPC, func(ctx context.Context, l net.Listener) error { return serveGRPC(ctx, l, t) }},
	} {
		if door.port == 0 {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(in.Host, "127.0.0.1"), strconv.Itoa(door.port)))
		if err != nil {
			failed <- fmt.Errorf("OTLP over %s: %w: choose another port or end the program that has it", door.what, err)
			cancel()
			break
		}
		all.Go(func() {
			if err := door.serve(ctx, l); err != nil {
				failed <- fmt.Errorf("OTLP over %s: %w", door.what, err)
				cancel()
			}
		})
	}
	<-ctx.Done()
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func serveHTTP(ctx context.Context, l net.Listener, t *telemetry.Telemetry) error {
	mux := http.NewServeMux()
	for pattern, h := range t.Intake() {
		mux.Handle(pattern, h)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderBound, IdleTimeout: idleBound}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainBound)
	defer cancel()
	if server.Shutdown(bounded) != nil { // who is cut off sends it again elsewhere
		return server.Close()
	}
	return nil
}

func serveGRPC(ctx context.Context, l net.Listener, t *telemetry.Telemetry) error {
	server := t.GRPC()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	cut := time.AfterFunc(drainBound, server.Stop)
	server.GracefulStop()
	cut.Stop()
	return nil
}
