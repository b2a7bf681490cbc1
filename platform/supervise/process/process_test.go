//go:build unix

package process_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/supervise/internal/testchild"
	"github.com/musterdev/muster/platform/supervise/process"
)

func TestMain(m *testing.M) { testchild.Main(m, nil) }

// watched is a guard that remembers what it is told.
type watched struct {
	mu     sync.Mutex
	groups map[int]bool
	seen   int
}

func (w *watched) Add(id int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.groups[id], w.seen = true, w.seen+1
}

func (w *watched) Remove(id int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.groups, id)
}

// output is what a child printed so far.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}

func (o *output) waitFor(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	testchild.Eventually(t, 10*time.Second, "output matches "+pattern, func() bool { return re.MatchString(o.String()) })
	return re.FindStringSubmatch(o.String())
}

func starter(t *testing.T) (*process.Starter, *watched) {
	t.Helper()
	w := &watched{groups: map[int]bool{}}
	s := process.NewStarter(w)
	t.Cleanup(func() {
		s.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.groups) != 0 {
			t.Errorf("groups left under guard: %v", w.groups)
		}
	})
	return s, w
}

func start(t *testing.T, s *process.Starter, role string, more ...string) (*process.Process, *output) {
	t.Helper()
	out := &output{}
	p, err := s.Start(process.Spec{Argv: testchild.Command(t), Env: testchild.Env(role, more...), Output: out})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); <-p.Done() })
	return p, out
}

func TestExit(t *testing.T) {
	s, guard := starter(t)
	p, out := start(t, s, testchild.Exit3)
	exit := p.Exit()
	if exit.Code != 3 || exit.Signal != "" || exit.Clean() || exit.String() != "exited with code 3" {
		t.Errorf("exit = %+v, %q", exit, exit)
	}
	if want := "reading the configuration\nthe configuration is broken\n"; out.String() != want {
		t.Errorf("output = %q, want %q", out, want)
	}
	if guard.seen != 1 {
		t.Errorf("the guard was told %d times", guard.seen)
	}

	p, out = start(t, s, testchild.Lines, "LINES=2")
	if exit := p.Exit(); !exit.Clean() || out.String() != "line 0\nline 1\nno end" {
		t.Errorf("exit %v, output %q", exit, out)
	}

	p, _ = start(t, s, testchild.Silent)
	p.Kill()
	if exit := p.Exit(); exit.Signal != "killed" || exit.String() != "was killed by a signal" {
		t.Errorf("exit = %+v, %q", exit, exit)
	}
	p.Kill() // and again, when it is dead: nothing
	p.Terminate()
}

func TestStop(t *testing.T) {
	s, _ := starter(t)
	t.Run("polite", func(t *testing.T) {
		p, out := start(t, s, testchild.Ready)
		out.waitFor(t, "listens")
		if exit := p.Stop(time.Minute); !exit.Clean() || !strings.HasSuffix(out.String(), "ended politely\n") {
			t.Errorf("exit %+v, output %q", exit, out)
		}
	})
	t.Run("bound", func(t *testing.T) {
		p, out := start(t, s, testchild.Deaf)
		out.waitFor(t, "listens")
		began := time.Now()
		exit := p.Stop(100 * time.Millisecond)
		if !exit.Forced || exit.Signal != "killed" || exit.Clean() {
			t.Errorf("exit = %+v", exit)
		}
		if took := time.Since(began); took < 100*time.Millisecond || took > 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestChildrenOfAChildDieWithIt(t *testing.T) {
	s, _ := starter(t)
	for name, end := range map[string]func(*process.Process){
		"stopped": func(p *process.Process) { p.Stop(10 * time.Second) }, // the child goes politely, its own child is deaf
		"killed":  func(p *process.Process) { p.Kill() },
		"dead":    func(p *process.Process) { _ = syscall.Kill(p.PID(), syscall.SIGKILL) }, // the leader alone
	} {
		t.Run(name, func(t *testing.T) {
			p, out := start(t, s, testchild.Family)
			grandchild, _ := strconv.Atoi(out.waitFor(t, `grandchild (\d+)\n`)[1])
			out.waitFor(t, "deaf\n")
			out.waitFor(t, "listens")
			end(p)
			p.Exit()
			testchild.Eventually(t, 2*time.Second, "the grandchild is gone", func() bool { return !testchild.Alive(grandchild) })
		})
	}
}

func TestFloodIsReadAndDoesNotBlock(t *testing.T) {
	s, _ := starter(t)
	p, out := start(t, s, testchild.Flood)
	testchild.Eventually(t, 20*time.Second, "16 MiB were read", func() bool {
		out.mu.Lock()
		defer out.mu.Unlock()
		return out.all.Len() > 16<<20
	})
	p.Kill()
	p.Exit()
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	s, _ := starter(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, spec := range map[string]process.Spec{
		"no command given":       {},
		`"no-such-program-7"`:    {Argv: []string{"no-such-program-7"}},
		"there is no ./missing":  {Argv: []string{"./missing"}, Dir: dir},
		"is not executable":      {Argv: []string{script}},
		"its folder /nowhere-7 ": {Argv: testchild.Command(t), Dir: "/nowhere-7"},
	} {
		_, err := s.Start(spec)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot be started: ") {
			t.Errorf("Start(%v) = %v, want %q in it", spec.Argv, err, want)
		}
	}
}

func TestNoStartAfterClose(t *testing.T) {
	s := process.NewStarter(&watched{groups: map[int]bool{}})
	s.Close()
	s.Close()
	if _, err := s.Start(process.Spec{Argv: testchild.Command(t)}); !errors.Is(err, process.ErrClosed) {
		t.Errorf("err = %v", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	s, _ := starter(t)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			p, err := s.Start(process.Spec{Argv: testchild.Command(t), Env: testchild.Env(testchild.Exit3)})
			if err != nil {
				t.Error(err)
				return
			}
			if exit := p.Exit(); exit.Code != 3 {
				t.Errorf("exit = %+v", exit)
			}
		})
	}
	all.Wait()
}

// alone guards nobody.
type alone struct{}

func (alone) Add(int)    {}
func (alone) Remove(int) {}

func Example() {
	starter := process.NewStarter(alone{}) // outside of examples: a *guard.Guard
	defer starter.Close()
	p, err := starter.Start(process.Spec{Argv: []string{"sh", "-c", "echo hello; exit 7"}, Output: os.Stdout})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("it", p.Exit())
	// Output:
	// hello
	// it exited with code 7
}
