// Package pgserver runs a PostgreSQL server of one's own for a while: on a free port of
// 127.0.0.1, in a temporary folder, with none of a machine's own servers touched. Tests
// have one by package pgtest; drills have one that they kill. It is no way to run a
// database that is to be kept: its folder goes with it.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const superuser = "muster"

// patience bounds what is asked of the server on a machine under load.
const patience = time.Minute

// ErrNotInstalled says that there is no server here to be started.
var ErrNotInstalled = errors.New("PostgreSQL is not installed (no initdb in PATH or /usr/lib/postgresql/*/bin): on Debian, apt-get install postgresql")

// Config says how a server runs.
type Config struct {
	// Durable syncs each commit to the disk, as in production. Otherwise what was committed
	// outlives the server's death and not the machine's.
	Durable bool
}

// Server is a PostgreSQL server in a temporary folder. It is safe for concurrent use.
type Server struct {
	bin    string // the folder of its programs
	folder string
	as     *syscall.SysProcAttr
	sync   bool // a commit survives the machine's end
	port   int

	mu    sync.Mutex // of one start or end at a time
	cmd   *exec.Cmd
	ended chan struct{} // closed when the server process is gone

	guard     *exec.Cmd
	guardPipe io.Closer // the guard acts when it is closed, by us or by our death
}

// Start starts a server and returns when it answers. It ends with [Server.Stop], or with
// this process, however that ends. Without PostgreSQL on the machine the error is
// [ErrNotInstalled].
func Start(cfg Config) (*Server, error) {
	bin := binaries()
	if bin == "" {
		return nil, ErrNotInstalled
	}
	folder, as, err := ownFolder()
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, folder: folder, as: as, sync: cfg.Durable}
	if err := s.startGuard(); err != nil {
		_ = os.RemoveAll(folder) // the first error is the one to report
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", s.data(), "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
	initdb.Dir, initdb.SysProcAttr = folder, as
	if out, err := initdb.CombinedOutput(); err != nil {
		s.Stop()
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	for range 5 { // the port may be lost to another program between the moment it is found free and the server's start
		if s.port, err = freePort(); err != nil {
			break
		}
		if err = s.launch(); err == nil {
			return s, nil
		}
	}
	s.Stop()
	return nil, err
}

// Installed returns nil where Start finds the server's programs, else [ErrNotInstalled].
func Installed() error {
	if binaries() == "" {
		return ErrNotInstalled
	}
	return nil
}

// URL returns the URL of one of the server's databases; there is one called postgres.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", superuser, s.port, database)
}

// PID returns the process of the server, whose children serve a connection each.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.Process.Pid
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// launch starts the server process and waits until it answers.
func (s *Server) launch() error {
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own copy
	fsync := "off"
	if s.sync {
		fsync = "on"
	}
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data(), "-p", strconv.Itoa(s.port), "-h", "127.0.0.1", "-k", "",
		"-c", "fsync="+fsync, "-c", "max_connections=300", "-c", "max_prepared_transactions=20", "-c", "wal_level=logical", "-c", "shared_buffers=32MB")
	cmd.Dir, cmd.SysProcAttr = s.folder, s.as
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.cmd, s.ended = cmd, ended
	go func() {
		_ = cmd.Wait() // its log says why it ended
		close(ended)
	}()
	if err := s.ready(); err != nil {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		return err
	}
	return nil
}

func (s *Server) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ask(ctx)
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

func (s *Server) ask(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
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

// binaries returns the folder of initdb and postgres, the newest version first.
func binaries() string {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	slices.SortFunc(folders, func(a, b string) int { return version(b) - version(a) })
	for _, folder := range append(folders, filepath.SplitList(os.Getenv("PATH"))...) {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err == nil {
			return folder
		}
	}
	return ""
}

// version reads the number in /usr/lib/postgresql/15/bin.
func version(folder string) int {
	n, _ := strconv.Atoi(strings.TrimSpace(filepath.Base(filepath.Dir(folder)))) // 0 for what has none
	return n
}
