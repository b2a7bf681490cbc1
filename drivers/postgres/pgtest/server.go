package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

const (
	startWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
	superuser   = "muster"
)

// server is one PostgreSQL in a folder of its own.
type server struct {
	dir  string
	port int
	cmd  *exec.Cmd
	log  bytes.Buffer
	done chan struct{} // closed when it has ended
}

func (s *server) url(database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.port, database)
}

func start(bin string) (*server, error) {
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, done: make(chan struct{})}
	if err := s.launch(bin); err != nil {
		_ = os.RemoveAll(dir) // the first error is the one to report
		return nil, err
	}
	return s, nil
}

func (s *server) launch(bin string) error {
	as, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	initdb.Dir, initdb.SysProcAttr = s.dir, as
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	// Commits stay durable within the server's life; a test's data need not survive
	// the machine.
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-p", fmt.Sprint(s.port), "-h", "127.0.0.1", "-k", "",
		"-c", "fsync=off", "-c", "max_connections=300", "-c", "max_prepared_transactions=20", "-c", "wal_level=logical")
	s.cmd.Dir, s.cmd.SysProcAttr = s.dir, as
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.run(); err != nil {
		return err
	}
	if err := s.ready(); err != nil {
		s.stop()
		return err
	}
	return nil
}

// run starts the server from a thread that lives as long as it does: a parent-death
// signal is sent when the thread ends that started the process.
func (s *server) run() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // its log says why it ended
		}
		close(s.done)
	}()
	return <-started
}

func (s *server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.exec(ctx, "SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("it ended at once: %s", s.log.String())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// stop ends the server by its immediate shutdown: there is nothing to keep.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(immediateShutdown) // it may have ended already
	select {
	case <-s.done:
	case <-time.After(stopWithin):
		_ = s.cmd.Process.Kill()
		<-s.done
	}
	_ = os.RemoveAll(s.dir)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}
