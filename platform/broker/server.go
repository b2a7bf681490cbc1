package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/musterdev/muster/problem"
)

// The bounds of the embedded server. Nothing of the bus is kept in memory.
const (
	maxMessage = 1 << 20  // bytes, headers included
	maxMemory  = 16 << 20 // of streams that somebody else makes in memory
	startWait  = 30 * time.Second
)

// How a store that fails is watched: what the server says of it is looked at so often,
// and one that has failed is opened anew once its disk takes this much.
const (
	watchEvery = 2 * time.Second
	probeBytes = 4 << 20
)

// Server is an embedded NATS server with JetStream. It is safe for concurrent use.
type Server struct {
	options  server.Options
	maxStore int64                              // bytes; 0: by what is free
	free     func(folder string) (int64, error) // bytes on its disk
	log      *slog.Logger

	mu      sync.Mutex
	running *server.Server // nil: stopped, or its store fails
	port    int
	said    *logger
	failure error // why the store does not work; nil: it does
	full    error // why messages are refused for the limit; nil: they are not
	tight   int64 // bytes of room when one was refused last
	stopped bool
}

// Start starts a server by cfg's Port, StoreDir and MaxStore and returns when it takes
// connections. log may be nil. The caller stops it.
func Start(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	return open(ctx, cfg, freeBytes, log)
}

func open(ctx context.Context, cfg Config, free func(folder string) (int64, error), log *slog.Logger) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if cfg.StoreDir == "" {
		return nil, errors.New("broker: there is no folder for the messages: set StoreDir")
	}
	if err := os.MkdirAll(cfg.StoreDir, 0o700); err != nil {
		return nil, fmt.Errorf("broker: make the folder for the messages: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{log: log, port: cfg.Port, maxStore: cfg.MaxStore, free: free, options: server.Options{
		ServerName: "muster", Host: "127.0.0.1", Port: cfg.Port, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: cfg.StoreDir, SyncAlways: true,
		JetStreamMaxMemory: maxMemory, MaxPayload: maxMessage,
	}}
	if cfg.Port == 0 {
		s.options.Port = server.RANDOM_PORT
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

// start starts the server; the lock is held, or nobody else knows s.
func (s *Server) start() error {
	options := s.options // the server changes what it is given
	options.JetStreamMaxStore = s.limit()
	log := &logger{log: s.log}
	running, err := server.NewServer(&options)
	if err != nil {
		return fmt.Errorf("broker: configure the NATS server: %w", err)
	}
	running.SetLoggerV2(log, false, false, false)
	running.Start()
	if !ready(running, log) {
		running.Shutdown()
		running.WaitForShutdown()
		if fatal := log.fatal(); fatal != "" {
			return fmt.Errorf("broker: start the NATS server on port %d with the store %s: %s", s.port, s.options.StoreDir, fatal)
		}
		return fmt.Errorf("broker: the NATS server on port %d with the store %s was not ready within %s", s.port, s.options.StoreDir, startWait)
	}
	if a, ok := running.Addr().(*net.TCPAddr); ok {
		s.port, s.options.Port = a.Port, a.Port // the same after a restart
	}
	s.running, s.said, s.full = running, log, nil
	return nil
}

// ready waits until the server takes connections, or said why it never will.
func ready(running *server.Server, log *logger) bool {
	for end := time.Now().Add(startWait); time.Now().Before(end) && log.fatal() == ""; {
		if running.ReadyForConnections(100 * time.Millisecond) {
			return running.JetStreamEnabled()
		}
	}
	return false
}

// URL returns where the server listens: nats://127.0.0.1:PORT.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("nats://127.0.0.1:%d", s.port)
}

// Err returns why messages cannot be stored just now: problem.Unavailable; nil when
// they can. That the store's limit is reached is known from the first message that was
// refused for it, within some seconds.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return s.failure
	}
	return s.full
}

// failed is Err without the limit: below it a smaller message may still find room.
func (s *Server) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failure
}

// Watch looks after the store until ctx ends. After an error of the disk the server
// itself takes no message any more until it is started again; Watch does that, in this
// process, once the disk takes data, and also when messages are refused for the store's
// limit and there is room on the disk for a clearly larger one.
func (s *Server) Watch(ctx context.Context) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for ill := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := s.health()
		if err == nil {
			ill = false
			s.watchLimit()
			continue
		}
		if ill { // twice in a row: not a stream that is just being made
			s.revive(err)
		}
		ill = true
	}
}

// health returns what the server says of its store.
func (s *Server) health() error {
	s.mu.Lock()
	running, failure := s.running, s.failure
	s.mu.Unlock()
	if running == nil {
		return failure
	}
	if !running.JetStreamEnabled() {
		return errors.New("JetStream is off")
	}
	if h := running.Healthz(&server.HealthzOptions{}); h.Status != "ok" {
		return errors.New(h.Error)
	}
	return nil
}

// revive stops a server whose store fails, and starts it when the disk takes data.
func (s *Server) revive(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	if s.failure == nil {
		s.log.Error("the store of messages fails; nothing is taken until it works again", "store", s.options.StoreDir, "error", cause)
		s.failure = problem.Wrap(cause, problem.Unavailable, "the broker cannot write its store: make room on its disk").WithRetryAfter(watchEvery)
	}
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
	err := probe(s.options.StoreDir)
	if err == nil {
		err = s.start()
	}
	if err != nil {
		s.log.Debug("the store of messages does not work yet", "error", err)
		return
	}
	s.failure = nil
	s.log.Info("the store of messages works again", "store", s.options.StoreDir)
}

// probe fails when the disk of a folder does not take data.
func probe(folder string) (err error) {
	name := filepath.Join(folder, "probe.tmp")
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(name)) }()
	if _, err := f.Write(make([]byte, probeBytes)); err != nil {
		return err
	}
	return f.Sync()
}

// Stop stops the server and returns when it has ended.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}
