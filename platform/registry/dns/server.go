package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

// Bounds of a Server.
const (
	maxQuery    = 4096             // bytes of a question
	maxConns    = 128              // TCP connections at a time
	idleTime    = 10 * time.Second // between two questions on one (RFC 7766, 6.2.3)
	answerTime  = 5 * time.Second  // for a caller to take an answer over TCP
	errorPause  = 10 * time.Millisecond
	udpReaders  = 4
	defaultZone = "muster."
)

// Server answers DNS from a registry. Its fields must not change while it serves.
type Server struct {
	// Zone is the domain under which the services are; "" means "muster.".
	Zone string
	// Lookup returns the instances of a service, and whether it was ever seen; see
	// registry.Registry. It must be safe for concurrent use and not wait.
	Lookup func(service string) (instances []discovery.Instance, seen bool)
	// Log takes what goes wrong; nil logs nothing.
	Log *slog.Logger

	turn atomic.Uint32 // turns the order of answers
}

// Serve answers over UDP and TCP until ctx ends, closes both and returns nil; or the
// error of the one that can be read no more. Either may be nil. Four datagrams are
// answered at a time, and 128 TCP connections; further ones wait.
func (s *Server) Serve(ctx context.Context, udp net.PacketConn, tcp net.Listener) error {
	zone, err := parseZone(s.Zone)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run := &run{zone: zone, server: s, ctx: ctx, log: s.Log}
	if run.log == nil {
		run.log = slog.New(slog.DiscardHandler)
	}
	failed := make(chan error, udpReaders+1)
	var work sync.WaitGroup
	if udp != nil {
		for range udpReaders {
			work.Go(func() { failed <- run.datagrams(udp) })
		}
	}
	if tcp != nil {
		work.Go(func() { failed <- run.connections(tcp) })
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	cancel()
	if udp != nil {
		_ = udp.Close() // ends its readers
	}
	if tcp != nil {
		_ = tcp.Close()
	}
	work.Wait()
	return err
}

// run is one call of Serve.
type run struct {
	server *Server
	zone   string
	log    *slog.Logger
	ctx    context.Context //nolint:containedctx // the life of Serve
}

// rest waits after an error that may pass, and reports whether to go on.
func (r *run) rest(err error) bool {
	if r.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	select {
	case <-time.After(errorPause):
		return true
	case <-r.ctx.Done():
		return false
	}
}

// datagrams answers UDP. A datagram that could not be read or answered is lost, as
// datagrams are; the caller asks again.
func (r *run) datagrams(conn net.PacketConn) error {
	buf := make([]byte, maxQuery+1)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			if !r.rest(err) {
				return r.end(err)
			}
			continue
		}
		if n > maxQuery {
			continue
		}
		if out := r.server.answer(r.zone, buf[:n], overUDP); out != nil {
			if _, err := conn.WriteTo(out, from); err != nil && !r.rest(err) {
				return r.end(err)
			}
		}
	}
}

// end returns the error to end with: none when that was asked for.
func (r *run) end(err error) error {
	if r.ctx.Err() == nil {
		return err
	}
	return nil
}

// connections answers TCP.
func (r *run) connections(l net.Listener) error {
	var work sync.WaitGroup
	defer work.Wait()
	room := make(chan struct{}, maxConns)
	for {
		select {
		case room <- struct{}{}:
		case <-r.ctx.Done():
			return nil
		}
		conn, err := l.Accept()
		if err != nil {
			<-room
			if !r.rest(err) {
				return r.end(err)
			}
			continue
		}
		work.Go(func() {
			defer func() { <-room }()
			stop := context.AfterFunc(r.ctx, func() { _ = conn.Close() })
			defer stop()
			defer func() { _ = conn.Close() }() // what was written is written
			if err := r.converse(conn); err != nil && r.ctx.Err() == nil {
				r.log.Debug("a DNS connection ended", "from", conn.RemoteAddr(), "error", err)
			}
		})
	}
}

// converse answers one question after another, each with its length before it
// (RFC 1035, 4.2.2), until the caller is silent for too long.
func (r *run) converse(conn net.Conn) error {
	var size [2]byte
	for {
		if err := conn.SetReadDeadline(time.Now().Add(idleTime)); err != nil {
			return err
		}
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		n := binary.BigEndian.Uint16(size[:])
		if n > maxQuery {
			return errors.New("the question is larger than 4096 bytes")
		}
		question := make([]byte, n)
		if _, err := io.ReadFull(conn, question); err != nil {
			return err
		}
		out := r.server.answer(r.zone, question, overTCP)
		if out == nil {
			return errors.New("that was no question")
		}
		if err := conn.SetWriteDeadline(time.Now().Add(answerTime)); err != nil {
			return err
		}
		out = append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...) //nolint:gosec // an answer is at most 65,535 bytes
		if _, err := conn.Write(out); err != nil {
			return err
		}
	}
}
