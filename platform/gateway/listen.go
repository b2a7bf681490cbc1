package gateway

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/musterdev/muster/platform/gateway/handover"
)

// listenTraffic takes the address where clients come.
func (e *edge) listenTraffic(ctx context.Context, closing *closers) (net.Listener, error) {
	l, err := e.listenAt(ctx, "traffic", e.cfg.Listen, e.cfg.Listener)
	if err != nil {
		return nil, err
	}
	closing.add(func() error { _ = l.Close(); return nil }) // most often the engine has
	e.listen = l.Addr().String()
	return l, nil
}

// listenAdmin takes the admin socket, from an edge that was killed too. Only the user
// who runs the edge may open it.
func (e *edge) listenAdmin(ctx context.Context, closing *closers) (net.Listener, error) {
	name := "admin " + e.cfg.Admin
	if l, ok := e.taken.Listener(name).(*net.UnixListener); ok {
		e.socket = l
		closing.add(func() error { _ = l.Close(); return nil }) // most often its server has
		e.given = append(e.given, handover.Named{Name: name, Listener: l})
		return l, nil
	}
	if err := freeSocket(ctx, e.cfg.Admin); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", e.cfg.Admin)
	if err != nil {
		return nil, fmt.Errorf("the edge cannot listen on its admin socket: %w: its folder must exist and its path have at most about 100 bytes", err)
	}
	closing.add(func() error { _ = l.Close(); return nil }) // most often its server has
	if err := os.Chmod(e.cfg.Admin, 0o600); err != nil {
		return nil, fmt.Errorf("the admin socket: %w", err)
	}
	e.given = append(e.given, handover.Named{Name: name, Listener: l})
	return l, nil
}

// freeSocket removes a socket that nobody serves.
func freeSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil //nolint:nilerr // it is not there, or listening says what is wrong
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("the admin socket %s is a file of another kind: remove it, or choose another path", path)
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path)
	if err == nil {
		_ = conn.Close() // it was opened to ask
		return fmt.Errorf("another edge serves the admin socket %s: end it, or choose another path", path)
	}
	return os.Remove(path)
}
