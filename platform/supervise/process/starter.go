package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"github.com/musterdev/muster/platform/supervise/group"
)

// Guard is told which process groups live. guard.Guard is one. Methods are
// called concurrently and must not block for long.
type Guard interface {
	Add(group int)
	Remove(group int)
}

// Spec says what to start.
type Spec struct {
	Argv   []string  // the program, looked up in PATH when it has no slash, and its arguments
	Dir    string    // working directory; "" is the supervisor's
	Env    []string  // the whole environment, NAME=value
	Output io.Writer // gets standard output and standard error, in order, from one goroutine; must not block for long; nil discards
}

// ErrClosed is returned by Start after Close.
var ErrClosed = errors.New("no more children are started")

// Starter starts children, all from one operating system thread: on Linux a
// child dies with the thread that started it. It is safe for concurrent use.
type Starter struct {
	guard Guard

	mu       sync.Mutex
	closed   bool
	requests chan request
	gone     chan struct{} // closed when the thread has ended
}

type request struct {
	cmd *exec.Cmd
	err chan error
}

// NewStarter returns a Starter whose children are under guard.
func NewStarter(guard Guard) *Starter {
	s := &Starter{guard: guard, requests: make(chan request), gone: make(chan struct{})}
	go s.thread()
	return s
}

// thread holds its operating system thread until Close.
func (s *Starter) thread() {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	defer close(s.gone)
	for r := range s.requests {
		err := r.cmd.Start()
		if err == nil {
			s.guard.Add(r.cmd.Process.Pid)
		}
		r.err <- err
	}
}

// Close ends the thread. Call it when every child is dead: on Linux it kills
// those that are not. Closing twice is allowed.
func (s *Starter) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.requests)
	}
	s.mu.Unlock()
	<-s.gone
}

// Start starts a child. Its errors complete the sentence "service x ...": they
// say what could not be run and what to do.
func (s *Starter) Start(spec Spec) (*Process, error) {
	if len(spec.Argv) == 0 {
		return nil, errors.New("cannot be started: no command given")
	}
	ours, theirs, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot be started: make a pipe for its output: %w", err)
	}
	cmd := exec.Command(spec.Argv[0], spec.Argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = spec.Dir, spec.Env, theirs, theirs
	cmd.SysProcAttr = group.Own()
	deathSignal(cmd.SysProcAttr)
	err = s.submit(cmd)
	_ = theirs.Close()
	if err != nil {
		_ = ours.Close()
		return nil, explain(err, spec)
	}
	p := &Process{
		cmd: cmd, pid: cmd.Process.Pid, guard: s.guard,
		output: ours, read: make(chan struct{}), done: make(chan struct{}),
	}
	go func() {
		defer close(p.read)
		_, _ = io.Copy(tireless{spec.Output}, ours) // ends with the pipe
	}()
	go p.watch()
	return p, nil
}

// tireless never fails, so that the pipe is read to its end whatever becomes of
// the output: a child that nobody reads from would block.
type tireless struct{ to io.Writer }

func (t tireless) Write(b []byte) (int, error) {
	if t.to != nil {
		_, _ = t.to.Write(b)
	}
	return len(b), nil
}

func (s *Starter) submit(cmd *exec.Cmd) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	r := request{cmd: cmd, err: make(chan error, 1)}
	s.requests <- r
	s.mu.Unlock()
	return <-r.err
}

// explain turns what the system says of a failed start into what to do.
func explain(err error, spec Spec) error {
	name := spec.Argv[0]
	switch {
	case errors.Is(err, ErrClosed):
		return err
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("cannot be started: %q is not in PATH; install it, or correct \"run\": %w", name, err)
	case spec.Dir != "" && !isDir(spec.Dir):
		return fmt.Errorf("cannot be started: its folder %s does not exist: %w", spec.Dir, err)
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cannot be started: there is no %s; build it, or correct \"run\": %w", name, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("cannot be started: %s is not executable; chmod +x it, or name its interpreter in \"run\": %w", name, err)
	default:
		return fmt.Errorf("cannot be started: %q: %w", strings.Join(spec.Argv, " "), err)
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
