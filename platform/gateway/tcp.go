package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"

	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/l4"
	"github.com/musterdev/muster/problem"
)

// openTCP opens the ports of connections that are not HTTP. Whatever ends the edge before
// it serves ends them too.
func (e *edge) openTCP(ctx context.Context, closing *closers) error {
	routes, err := e.loadTCP()
	if err != nil {
		return err
	}
	e.tcp = l4.NewPorts(l4.Config{Resolver: e.drain, Wait: e.cfg.Wait, Log: e.log, Listen: e.listenTCP})
	closing.add(func() error {
		now, cancel := context.WithCancel(context.WithoutCancel(ctx))
		cancel()
		_ = e.tcp.Shutdown(now) // most often done already; else what is open is cut off
		return nil
	})
	return errors.Join(e.tcp.Set(ctx, routes), e.tcp.Register(e.metrics))
}

// loadTCP reads the ports the edge begins with.
func (e *edge) loadTCP() (map[string]l4.Routes, error) {
	if e.cfg.TCPFile == "" {
		return e.cfg.TCP, nil
	}
	data, err := os.ReadFile(e.cfg.TCPFile)
	if errors.Is(err, fs.ErrNotExist) {
		return e.cfg.TCP, nil
	}
	if err != nil {
		return nil, err
	}
	doc, err := admin.ParseTCP(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.cfg.TCPFile, err)
	}
	return doc.Ports, nil
}

// putTCP takes other ports into use and keeps them.
func (e *edge) putTCP(r *http.Request) (admin.TCP, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, admin.MaxTCP+1))
	if err != nil {
		return admin.TCP{}, problem.Wrap(err, problem.InvalidArgument, "the ports of connections cannot be read")
	}
	doc, err := admin.ParseTCP(data)
	if err != nil {
		return admin.TCP{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.mayChange(); err != nil {
		return admin.TCP{}, err
	}
	if err := e.tcp.Set(r.Context(), doc.Ports); err != nil {
		return admin.TCP{}, err
	}
	if e.cfg.TCPFile == "" {
		return doc, nil
	}
	var file bytes.Buffer
	out := json.NewEncoder(&file)
	out.SetIndent("", "  ")
	if err := out.Encode(doc); err != nil {
		return admin.TCP{}, problem.Wrap(err, problem.Internal, "the ports of connections are in use, but cannot be written")
	}
	if err := writeFile(e.cfg.TCPFile, file.Bytes()); err != nil {
		return admin.TCP{}, problem.Wrap(err, problem.Internal, "the ports of connections are in use, but not kept for the next start: %s", err)
	}
	return doc, nil
}

// tcpStatus says how the ports stand.
func (e *edge) tcpStatus() []admin.Port {
	list := []admin.Port{}
	for _, one := range e.tcp.List() {
		out := admin.Port{
			Listen: one.Addr, Closed: one.Closed, Routes: one.Routes,
			Open: one.Stats.Open, Accepted: one.Stats.Accepted, In: one.Stats.In, Out: one.Stats.Out, Ends: map[string]int64{},
		}
		for end, n := range one.Stats.Ends {
			out.Ends[end.String()] = n
		}
		list = append(list, out)
	}
	return list
}
