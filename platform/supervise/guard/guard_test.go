//go:build unix

package guard_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/supervise/guard"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
	"github.com/musterdev/muster/platform/supervise/process"
)

func TestMain(m *testing.M) {
	testchild.Main(m, map[string]func() int{
		testchild.Guardian:   func() int { return guard.Main(os.Stdin, os.Stdout) },
		testchild.Supervisor: superviseFamily,
		"wrong":              func() int { fmt.Println("unknown command"); return 2 },
	})
}

// superviseFamily starts a guardian and a child with a child, says who they are,
// and waits to be killed.
func superviseFamily() int {
	g, err := guard.Start(guard.Config{Command: []string{os.Args[0]}, Env: testchild.Env(testchild.Guardian)})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Printf("guardian %d\n", g.PID())
	p, err := process.NewStarter(g).Start(process.Spec{
		Argv: []string{os.Args[0]}, Env: testchild.Env(testchild.Family), Output: os.Stdout,
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Printf("child %d\n", p.PID())
	select {}
}

// family starts superviseFamily in a process of its own.
func family(t *testing.T) (supervisor, guardian, child, grandchild int) {
	t.Helper()
	cmd := exec.Command(testchild.Command(t)[0])
	cmd.Env = testchild.Env(testchild.Supervisor)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	late := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	pids := map[string]int{}
	deaf := false
	for lines := bufio.NewScanner(out); (len(pids) < 3 || !deaf) && lines.Scan(); {
		var who string
		var pid int
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &who, &pid); err == nil {
			pids[who] = pid
		}
		deaf = deaf || lines.Text() == "deaf"
	}
	if len(pids) != 3 || !deaf {
		t.Fatalf("the family did not start: %v", pids)
	}
	return cmd.Process.Pid, pids["guardian"], pids["child"], pids["grandchild"]
}

func TestNobodyOutlivesAKilledSupervisor(t *testing.T) {
	supervisor, guardian, child, grandchild := family(t)
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testchild.Eventually(t, 2*time.Second, "child, grandchild and guardian are gone", func() bool {
		return !testchild.Alive(child) && !testchild.Alive(grandchild) && !testchild.Alive(guardian)
	})
}

func TestGuardianIgnoresWhatIsMeantForTheSupervisor(t *testing.T) {
	supervisor, guardian, child, grandchild := family(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(guardian, sig); err != nil {
			t.Fatal(err)
		}
	}
	// A guardian that died of a signal would be replaced by one with another id,
	// and the old one would be gone when the supervisor is.
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testchild.Eventually(t, 2*time.Second, "the group is gone", func() bool {
		return !testchild.Alive(child) && !testchild.Alive(grandchild)
	})
}

func TestKilledGuardianIsReplacedAndToldEverything(t *testing.T) {
	replaced := make(chan int, 1)
	g, err := guard.Start(guard.Config{
		Command: testchild.Command(t), Env: testchild.Env(testchild.Guardian),
		Replaced: func(pid int) { replaced <- pid },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	watched, forgotten := sleeper(t), sleeper(t)
	g.Add(watched.PID())
	g.Add(forgotten.PID())
	g.Remove(forgotten.PID())

	first := g.PID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case second := <-replaced:
		if second == first || g.PID() != second {
			t.Fatalf("guardian %d was replaced by %d, PID says %d", first, second, g.PID())
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no other guardian")
	}
	g.Close()
	testchild.Eventually(t, 2*time.Second, "the watched group is killed", func() bool { return !testchild.Alive(watched.PID()) })
	if !testchild.Alive(forgotten.PID()) {
		t.Error("a group that was removed was killed")
	}
	g.Close() // twice is allowed
	g.Add(2)  // and so is a late order
}

// nobody is a guard that does nothing.
type nobody struct{}

func (nobody) Add(int)    {}
func (nobody) Remove(int) {}

func sleeper(t *testing.T) *process.Process {
	t.Helper()
	s := process.NewStarter(nobody{})
	p, err := s.Start(process.Spec{Argv: testchild.Command(t), Env: testchild.Env(testchild.Stubborn)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); <-p.Done(); s.Close() })
	return p
}

func TestWrongCommandIsSaidAtOnce(t *testing.T) {
	for name, cfg := range map[string]guard.Config{
		"no command":    {},
		"no such file":  {Command: []string{"/nonexistent/guardian"}},
		"other program": {Command: testchild.Command(t), Env: testchild.Env("wrong")},
	} {
		t.Run(name, func(t *testing.T) {
			if g, err := guard.Start(cfg); err == nil {
				g.Close()
				t.Fatal("no error")
			} else {
				t.Log(err)
			}
		})
	}
}
