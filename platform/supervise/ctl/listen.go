package ctl

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/supervise"
)

// RunningError says that a supervisor lives in a folder already.
type RunningError struct {
	Dir string
	PID int // 0: not known
}

// Error is one line: what is wrong and what to do.
func (e *RunningError) Error() string {
	who := ""
	if e.PID != 0 {
		who = fmt.Sprintf(" (supervisor pid %d)", e.PID)
	}
	return fmt.Sprintf("a fleet runs in %s already%s; see it with \"muster ps\", end it with \"muster down\"", e.Dir, who)
}

// errLocked is what lock returns when another process holds the lock.
var errLocked = errors.New("locked by another process")

// Listener is the control socket of a fleet that is about to run. As long as it is
// open nobody else can open that of the same folder.
type Listener struct {
	net.Listener
	path string
	lock *os.File
}

// Listen opens the control socket of the fleet in dir. It replaces the socket of a
// supervisor that died, and returns a *RunningError when one lives. Whether one
// does is told by a lock, which dies with its holder, not by the socket.
func Listen(dir string) (*Listener, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	state := filepath.Join(dir, supervise.Folder)
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("make the fleet's folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(state, "muster.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the fleet's lock: %w", err)
	}
	if err := lockFile(lock); err != nil {
		defer func() { _ = lock.Close() }()
		if errors.Is(err, errLocked) {
			return nil, &RunningError{Dir: dir, PID: holder(lock)}
		}
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	l, err := listen(Path(dir), lock)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return l, nil
}

func listen(path string, lock *os.File) (*Listener, error) {
	if err := errors.Join(lock.Truncate(0), writeAt(lock, strconv.Itoa(os.Getpid()))); err != nil {
		return nil, fmt.Errorf("write the fleet's lock: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the control socket of a supervisor that died: %w", err)
	}
	inner, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = inner.Close()
		return nil, fmt.Errorf("protect the control socket: %w", err)
	}
	return &Listener{Listener: inner, path: path, lock: lock}, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// holder reads who holds the lock.
func holder(lock *os.File) int {
	b := make([]byte, 20)
	n, _ := lock.ReadAt(b, 0) // ends early, or cannot be read: then nobody is named
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	return pid
}

// Close closes the socket, removes it and gives the folder free.
func (l *Listener) Close() error {
	return errors.Join(ignoreClosed(l.Listener.Close()), ignoreClosed(l.lock.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
