package pgserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Crash is how a server ends that is not asked whether it may.
type Crash int

// The crashes. After both the server recovers from its log when it is started again;
// what was committed is there, what was not is gone.
const (
	// Killed is SIGKILL of the server's process: its children find out by themselves.
	Killed Crash = iota
	// Immediate is SIGQUIT, PostgreSQL's own immediate shutdown: the children end at once.
	Immediate
)

// String returns what a person would have typed.
func (c Crash) String() string {
	if c == Immediate {
		return "immediate shutdown"
	}
	return "kill -9"
}

// Restart crashes the server and starts it again on the same port, least later, or when
// ctx ends. It returns how long the server could not be asked. Its connections break; what
// was committed is kept.
func (s *Server) Restart(ctx context.Context, how Crash, least time.Duration) (away time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	signal := syscall.SIGKILL
	if how == Immediate {
		signal = syscall.SIGQUIT
	}
	began := time.Now()
	if err := s.cmd.Process.Signal(signal); err != nil {
		return 0, fmt.Errorf("PostgreSQL: %s: %w", how, err)
	}
	<-s.ended
	dead := time.NewTimer(least)
	defer dead.Stop()
	select {
	case <-dead.C:
	case <-ctx.Done():
	}
	// Children of a killed server hold its memory until they notice: it does not start before.
	for {
		err := s.launch()
		if err == nil {
			return time.Since(began), nil
		}
		if time.Since(began) > patience {
			return time.Since(began), fmt.Errorf("PostgreSQL does not start again after %s: %w", how, err)
		}
	}
}

// The guard waits for the end of its input, which comes at the latest when the process
// that started the server dies, ends the server by an immediate shutdown, for there is
// nothing to keep, and removes the folder.
const guardScript = `cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -QUIT "$pid" 2>/dev/null
	while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
fi
rm -rf "$1"`

func (s *Server) startGuard() error {
	s.guard = exec.Command("/bin/sh", "-c", guardScript, "pgserver", s.folder)
	s.guard.Dir, s.guard.SysProcAttr = "/", s.as
	pipe, err := s.guard.StdinPipe()
	if err != nil {
		return err
	}
	s.guardPipe = pipe
	return s.guard.Start()
}

// Stop ends the server, removes its folder and returns when it is gone.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.guardPipe.Close()
	_ = s.guard.Wait() // it has nothing to say
	if s.ended != nil {
		<-s.ended
	}
	_ = os.RemoveAll(s.folder) // if the guard could not
}
