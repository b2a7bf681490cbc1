//go:build unix

package supervise

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
)

// superviseAndTell is a supervisor in a process of its own: it prints every process
// it starts, then waits to be killed.
func superviseAndTell() int {
	f, err := fleet.Load(os.Args[1], fleet.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := New(Config{
		Fleet: f, Guardian: []string{os.Args[0]}, Env: testchild.Env(testchild.Guardian), Timing: timing,
		Events: func(e event.Event) {
			if e.Kind == event.Guardian && !strings.Contains(e.Detail, "was replaced") {
				return // its name alone tells nobody anything: the test waits in vain
			}
			if e.PID != 0 {
				fmt.Println(e.Kind, e.PID)
			}
			if e.Kind == event.FleetReady {
				fmt.Println("up")
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	if err := s.Run(context.Background()); err != nil {
		fmt.Println(event.Explain(err))
		return 1
	}
	return 0
}

func TestNobodyOutlivesAKilledSupervisor(t *testing.T) {
	for name, killGuardian := range map[string]bool{"supervisor": false, "guardian, then supervisor": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil,
				aService("family", testchild.Family, ", replicas: 2"), aService("deaf", testchild.Deaf, ""), aService("worker", testchild.Silent, ", ready: none"))
			cmd := exec.Command(executable(), w.file)
			cmd.Env = testchild.Env(testchild.Supervisor)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
			defer late.Stop()
			lines, pids := bufio.NewScanner(out), []int{}
			read := func(until string) int {
				for lines.Scan() {
					if lines.Text() == until {
						return 0
					}
					kind, number, _ := strings.Cut(lines.Text(), " ")
					var pid int
					if _, err := fmt.Sscan(number, &pid); err == nil {
						pids = append(pids, pid)
					}
					if kind == until {
						return pid
					}
				}
				t.Fatalf("the supervisor never said %q", until)
				return 0
			}
			read("up")
			if len(pids) != 4 {
				t.Fatalf("started %v", pids)
			}
			var grandchildren []int
			testchild.Eventually(t, 10*time.Second, "both grandchildren have told who they are", func() bool {
				grandchildren = nil
				files, _ := filepath.Glob(filepath.Join(filepath.Dir(w.file), Folder, "logs", "family-*.log"))
				for _, file := range files {
					text, _ := os.ReadFile(file)
					var pid int
					for line := range strings.Lines(string(text)) {
						_, _ = fmt.Sscanf(line, "grandchild %d", &pid)
					}
					if pid != 0 && strings.Contains(string(text), "deaf\n") {
						grandchildren = append(grandchildren, pid)
					}
				}
				return len(grandchildren) == 2
			})
			if killGuardian {
				old := guardianOf(t, cmd.Process.Pid)
				if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				if fresh := read(string(event.Guardian)); fresh == old || !testchild.Alive(fresh) {
					t.Fatalf("the guardian %d was replaced by %d", old, fresh)
				}
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			all := slices.Concat(pids, grandchildren)
			testchild.Eventually(t, 2*time.Second, fmt.Sprintf("all of %v are gone", all), func() bool {
				return !slices.ContainsFunc(all, testchild.Alive)
			})
		})
	}
}

// guardianOf finds the child of a supervisor that leads a session of its own.
func guardianOf(t *testing.T, supervisor int) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Skip("no /proc to find the guardian in")
	}
	for _, stat := range stats {
		text, _ := os.ReadFile(stat)
		var pid, parent, group, session int
		var state string
		_, after, _ := strings.Cut(string(text), ") ")
		_, _ = fmt.Sscan(string(text), &pid)
		if _, err := fmt.Sscan(after, &state, &parent, &group, &session); err == nil && parent == supervisor && session == pid {
			return pid
		}
	}
	t.Fatal("no guardian")
	return 0
}
