package pgtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const superuser = "muster"

// Server is a PostgreSQL server in a temporary folder. It is safe for concurrent use.
type Server struct {
	folder string
	port   int
	sync   bool // a commit survives the machine's end
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the server process is gone

	guard     *exec.Cmd
	guardPipe io.Closer // the guard acts when it is closed, by us or by our death
}

// URL returns the URL of one of the server's databases.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.port, database)
}

// start starts a server. The port may be lost to another program between the moment
// it is found free and the moment the server takes it, so a few are tried.
func start(bin string, sync bool) (*Server, error) {
	folder, as, err := ownFolder()
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, sync: sync}
	if err := s.startGuard(as); err != nil {
		_ = os.RemoveAll(folder) // the first error is the one to report
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", s.data(), "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	initdb.Dir, initdb.SysProcAttr = folder, as
	if out, err := initdb.CombinedOutput(); err != nil {
		s.stop()
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	for range 5 {
		if err = s.launch(bin, as); err == nil {
			return s, nil
		}
	}
	s.stop()
	return nil, err
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// launch starts the server process and waits until it answers.
func (s *Server) launch(bin string, as *syscall.SysProcAttr) error {
	var err error
	if s.port, err = freePort(); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(s.folder, "log"))
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own copy
	fsync := "off"    // durable as long as the server lives: test data need not survive the machine
	if s.sync {
		fsync = "on"
	}
	s.cmd = exec.Command(filepath.Join(bin, "postgres"), "-D", s.data(), "-p", fmt.Sprint(s.port), "-h", "127.0.0.1", "-k", "",
		"-c", "fsync="+fsync, "-c", "max_connections=300", "-c", "max_prepared_transactions=20", "-c", "wal_level=logical", "-c", "shared_buffers=32MB")
	s.cmd.Dir, s.cmd.SysProcAttr = s.folder, as
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // its log says why it ended
		close(s.ended)
	}()
	return s.ready()
}

func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
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
		case <-s.ended:
			log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			return fmt.Errorf("it ended at once: %s", strings.TrimSpace(string(log)))
		case <-ctx.Done():
			return err
		}
	}
}

// The guard waits for the end of its input, which comes at the latest when the test
// binary dies, ends the server by an immediate shutdown, for there is nothing to keep,
// and removes the folder.
const guardScript = `cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -QUIT "$pid" 2>/dev/null
	while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
fi
rm -rf "$1"`

func (s *Server) startGuard(as *syscall.SysProcAttr) error {
	s.guard = exec.Command("/bin/sh", "-c", guardScript, "pgtest", s.folder)
	s.guard.Dir, s.guard.SysProcAttr = "/", as
	pipe, err := s.guard.StdinPipe()
	if err != nil {
		return err
	}
	s.guardPipe = pipe
	return s.guard.Start()
}

// stop ends the server and returns when it is gone.
func (s *Server) stop() {
	_ = s.guardPipe.Close()
	_ = s.guard.Wait() // it has nothing to say
	if s.ended != nil {
		<-s.ended
	}
	_ = os.RemoveAll(s.folder) // if the guard could not
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("no TCP address: %s", l.Addr())
	}
	return addr.Port, nil
}
