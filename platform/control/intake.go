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

// door is a port at which OTLP is taken.
type door struct {
	net.Listener

	what  string
	serve func(context.Context, net.Listener, *telemetry.Telemetry) error
}

// open opens the ports, so that one that is taken is known before anything is served.
func (in Intake) open() (doors []door, err error) {
	for _, d := range []struct {
		door

		port int
	}{{door{what: "HTTP", serve: serveHTTP}, in.HTTP}, {door{what: "gRPC", serve: serveGRPC}, in.GRPC}} {
		if d.port == 0 {
			continue
		}
		d.Listener, err = net.Listen("tcp", net.JoinHostPort(cmp.Or(in.Host, "127.0.0.1"), strconv.Itoa(d.port)))
		if err != nil {
			closeAll(doors)
			return nil, fmt.Errorf("OTLP over %s: %w: choose another port or end the program that has it", d.what, err)
		}
		doors = append(doors, d.door)
	}
	return doors, nil
}

// closeAll closes doors; one that is closed is no error.
func closeAll(doors []door) {
	for _, d := range doors {
		_ = d.Close()
	}
}

// serveAll takes OTLP at the doors until ctx ends.
func serveAll(ctx context.Context, doors []door, t *telemetry.Telemetry) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	failed := make(chan error, len(doors))
	for _, d := range doors {
		all.Go(func() {
			if err := d.serve(ctx, d.Listener, t); err != nil {
				failed <- fmt.Errorf("OTLP over %s: %w", d.what, err)
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
