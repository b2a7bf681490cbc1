package guard

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/supervise/group"
)

// How long a guardian may take to say hello, how long one that does not read
// may hold up its supervisor or its end, and the pauses between attempts to replace one.
const (
	helloWithin  = 10 * time.Second
	writeWithin  = time.Second
	endWithin    = killFor + 4*time.Second
	replaceFirst = 10 * time.Millisecond
	replaceMost  = 5 * time.Second
)

// Config says how to run a guardian.
type Config struct {
	Command  []string      // argv of a program that calls Main(os.Stdin, os.Stdout)
	Env      []string      // its environment; nil means this process's own
	Log      *slog.Logger  // told when a guardian dies and is replaced; nil: nobody
	Replaced func(pid int) // called after a dead guardian was replaced; may be nil
}

// Guard is the supervisor's end of the pipe. While it is open a guardian is
// alive, and one that dies is replaced and told everything again. Its methods
// may be called concurrently.
type Guard struct {
	cfg Config

	mu      sync.Mutex
	groups  map[int]bool
	current *guardian
	closed  bool

	closing chan struct{} // closed by Close
	over    chan struct{} // closed when the last guardian has gone
}

// guardian is one living guardian process.
type guardian struct {
	cmd    *exec.Cmd
	orders *os.File // our end of its stdin
}

// Start starts a guardian and returns once it listens.
func Start(cfg Config) (*Guard, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g := &Guard{cfg: cfg, groups: map[int]bool{}, closing: make(chan struct{}), over: make(chan struct{})}
	first, err := cfg.spawn()
	if err != nil {
		return nil, err
	}
	g.current = first
	go g.keep()
	return g, nil
}

// Add puts a process group under guard. It never fails: what a dying guardian
// misses, its successor is told.
func (g *Guard) Add(id int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.groups[id] = true
	g.tell(watchOver, id)
}

// Remove ends the guard over a group. Call it when no process of the group is
// left, before its number can be given out again.
func (g *Guard) Remove(id int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.groups, id)
	g.tell(forget, id)
}

// PID returns the process id of the guardian.
func (g *Guard) PID() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current.cmd.Process.Pid
}

// Close ends the guardian, which kills the groups that were not removed, and
// waits for it. Closing twice is allowed.
func (g *Guard) Close() {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.closing)
		_ = g.current.orders.Close()
	}
	last := g.current.cmd.Process
	g.mu.Unlock()
	late := time.AfterFunc(endWithin, func() { _ = last.Kill() }) // one that was stopped (SIGSTOP) never reads the end
	defer late.Stop()
	<-g.over
}

// tell sends one order; the caller holds the lock. A guardian that does not
// read is killed: keep then starts one that does.
func (g *Guard) tell(op byte, id int) {
	if g.closed {
		return
	}
	_ = g.current.orders.SetWriteDeadline(time.Now().Add(writeWithin)) // not every system has it: then the pipe's buffer must do
	if _, err := g.current.orders.Write(order(op, id)); err != nil {
		_ = g.current.cmd.Process.Kill()
	}
}

// keep waits for the guardian to die and replaces it until Close.
func (g *Guard) keep() {
	defer close(g.over)
	for {
		g.mu.Lock()
		dying := g.current
		g.mu.Unlock()
		err := dying.cmd.Wait()
		if g.isClosed() {
			return
		}
		_ = dying.orders.Close()
		g.cfg.Log.Warn("the guardian died, starting another", "pid", dying.cmd.Process.Pid, "cause", err)
		if !g.replace() {
			return
		}
	}
}

// replace starts a new guardian, however long that takes; false after Close.
func (g *Guard) replace() bool {
	for pause := replaceFirst; ; pause = min(2*pause, replaceMost) {
		next, err := g.cfg.spawn()
		if err == nil {
			return g.install(next)
		}
		g.cfg.Log.Error("no guardian: children may outlive a killed supervisor", "cause", err)
		select {
		case <-g.closing:
			return false
		case <-time.After(pause):
		}
	}
}

// install makes next the guardian and tells it every group.
func (g *Guard) install(next *guardian) bool {
	g.mu.Lock()
	if g.closed { // Close came while next started: nothing is under guard any more
		g.mu.Unlock()
		_ = next.orders.Close()
		_ = next.cmd.Wait()
		return false
	}
	g.current = next
	for id := range g.groups {
		g.tell(watchOver, id)
	}
	g.mu.Unlock()
	g.cfg.Log.Info("a new guardian watches", "pid", next.cmd.Process.Pid)
	if g.cfg.Replaced != nil {
		g.cfg.Replaced(next.cmd.Process.Pid)
	}
	return true
}

func (g *Guard) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// spawn starts one guardian process and waits for its hello.
func (c Config) spawn() (*guardian, error) {
	if len(c.Command) == 0 {
		return nil, errors.New("start the guardian: no command given")
	}
	in, orders, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the guardian: %w", err)
	}
	answers, out, err := os.Pipe()
	if err != nil {
		_, _ = in.Close(), orders.Close()
		return nil, fmt.Errorf("start the guardian: %w", err)
	}
	defer func() { _ = answers.Close() }()
	cmd := exec.Command(c.Command[0], c.Command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Env = in, out, c.Env
	cmd.SysProcAttr = group.OwnSession()
	err = cmd.Start()
	_, _ = in.Close(), out.Close()
	if err != nil {
		_ = orders.Close()
		return nil, fmt.Errorf("start the guardian: %w", err)
	}
	// A guardian that hangs is killed, so that the read below ends on every system.
	late := time.AfterFunc(helloWithin, func() { _ = cmd.Process.Kill() })
	said, err := bufio.NewReader(answers).ReadString('\n')
	late.Stop()
	if said != hello {
		_ = orders.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err == nil {
			err = errors.New("it is another program")
		}
		return nil, fmt.Errorf("start the guardian: %q answered %q instead of %q: %w", c.Command, said, hello, err)
	}
	return &guardian{cmd: cmd, orders: orders}, nil
}
