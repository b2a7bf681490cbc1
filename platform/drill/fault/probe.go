package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Probe shows whether the way through addr, host:port, is clean: nil, or what is wrong.
// It ends with ctx. It is called concurrently for different addresses.
type Probe func(ctx context.Context, addr string) error

const (
	probeTime = time.Second           // bounds one probe
	probeRest = 10 * time.Millisecond // between two
)

// ProbeTCP connects, ends its own direction and wants the peer to speak or to end the
// other: nearly every server does one of both, so that the target itself is heard of,
// whatever its protocol.
func ProbeTCP(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // it has done its work
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.CloseWrite(); err != nil {
			return err
		}
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// ProbeHTTP returns a probe that wants a status below 500 from a GET of path, over a
// connection of its own.
func ProbeHTTP(path string) Probe {
	return func(ctx context.Context, addr string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			return err
		}
		transport := &http.Transport{DisableKeepAlives: true}
		res, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
			return err
		}
		if res.StatusCode >= http.StatusInternalServerError {
			return fmt.Errorf("GET %s: %s", path, res.Status)
		}
		return nil
	}
}

// Remove takes all toxics away and returns when a probe through the proxy was clean. The
// error says what the last probe met when ctx ended; the toxics are gone even then, so
// what is left is the target's own.
func (p *Proxy) Remove(ctx context.Context) (Proof, error) {
	began := time.Now()
	proof := Proof{Fault: fmt.Sprintf("%s at %s before %s", p.Toxics(), p.addr, p.target)}
	var err error
	if proof.Reset, err = p.set(Toxics{}); err != nil {
		return proof, err
	}
	for {
		proof.Probes++
		one, cancel := context.WithTimeout(ctx, probeTime)
		err := p.probe(one, p.addr)
		cancel()
		if err == nil {
			proof.Took = time.Since(began)
			proof.Seen = p.target + " answered through " + p.addr
			return proof, nil
		}
		select {
		case <-ctx.Done():
			return proof, fmt.Errorf("%s was removed, but the way was not clean in %s: %w", proof.Fault, time.Since(began).Round(time.Millisecond), err)
		case <-p.ctx.Done():
			return proof, fmt.Errorf("%s: the proxy was closed before the way was clean: %w", proof.Fault, err)
		case <-time.After(probeRest):
		}
	}
}
