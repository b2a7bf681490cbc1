// Package process runs one child so that it cannot get lost: in a process group
// of its own, watched over by a guardian, its output read to the end, its
// descendants killed when it dies. On Linux the kernel also kills it when the
// supervisor dies (PR_SET_PDEATHSIG).
package process

import (
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/supervise/group"
)

// readAfterExit bounds how long output is still read after the child has died:
// a descendant that left the group may hold the pipe open for ever.
const readAfterExit = time.Second

// Process is one started child. Its methods may be called concurrently.
type Process struct {
	cmd    *exec.Cmd
	pid    int
	guard  Guard
	output *os.File      // our end of the pipe the child writes to
	read   chan struct{} // closed when the output has ended
	done   chan struct{} // closed when all is over
	exit   Exit          // valid after done

	mu     sync.Mutex
	reaped bool // the process id may belong to somebody else from here on
}

// PID returns the child's process id, which is its process group's number too.
func (p *Process) PID() int { return p.pid }

// Done returns a channel that is closed when the child is dead, its group
// killed and its output read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit tells how the child ended. It waits for the end.
func (p *Process) Exit() Exit {
	<-p.done
	return p.exit
}

// Terminate asks the child's whole group to end (SIGTERM). A dead child is no error.
func (p *Process) Terminate() { p.signal(group.Terminate) }

// Kill ends the child's whole group at once (SIGKILL). A dead child is no error.
func (p *Process) Kill() { p.signal(group.Kill) }

// Stop asks the child to end, kills it when it has not after grace, and waits
// for its end. The exit's Forced says whether it had to be killed.
func (p *Process) Stop(grace time.Duration) Exit {
	p.Terminate()
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-p.done:
		return p.exit
	case <-late.C:
		p.Kill()
		exit := p.Exit()
		exit.Forced = true
		return exit
	}
}

// signal reaches the group only while its number is surely still ours.
func (p *Process) signal(send func(int) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = send(p.pid) // fails only when nobody is left
	}
}

// watch waits for the child's end and cleans up behind it.
func (p *Process) watch() {
	err := p.reap()
	p.guard.Remove(p.pid)
	p.exit = exitOf(p.cmd.ProcessState, err)

	late := time.AfterFunc(readAfterExit, func() { _ = p.output.Close() })
	<-p.read
	late.Stop()
	_ = p.output.Close()
	close(p.done)
}

// reapFirst is reap for systems that cannot tell a death without reaping.
// Between reaping and killing, the group's number is free in theory; in
// practice numbers are given out in turn.
func (p *Process) reapFirst() error {
	err := p.cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	_ = group.Kill(p.pid)
	return err
}
