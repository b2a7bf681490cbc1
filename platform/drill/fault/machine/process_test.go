//go:build linux

package machine_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/fault/machine"
)

// child is a process that answers lines.
type child struct {
	*exec.Cmd

	say  func(string)
	hear *bufio.Reader
}

func start(t *testing.T) *child {
	t.Helper()
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &child{cmd, func(s string) { fmt.Fprintln(in, s) }, bufio.NewReader(out)}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// patience bounds what must not hang.
const patience = 20 * time.Second

func TestPauseAndResume(t *testing.T) {
	c, ctx := start(t), bounded(t)
	for range 3 {
		p, err := machine.Pause(ctx, c.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if s := state(t, c.Process.Pid); s != "T" {
			t.Errorf("the paused process is in state %s", s)
		}
		c.say("hello")
		proof, err := p.Resume(ctx)
		if err != nil || proof.Probes < 1 || !strings.Contains(proof.Seen, "process") {
			t.Fatalf("%+v, %v", proof, err)
		}
		if line, err := c.hear.ReadString('\n'); line != "hello\n" || err != nil {
			t.Errorf("heard %q, %v", line, err)
		}
	}
}

func TestResumeOfTheDead(t *testing.T) {
	c, ctx := start(t), bounded(t)
	p, err := machine.Pause(ctx, c.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := machine.Kill(ctx, c.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if s := state(t, c.Process.Pid); s != "Z" {
		t.Errorf("the killed process is in state %s", s)
	}
	_ = c.Wait()
	if proof, err := p.Resume(ctx); err != nil || !strings.Contains(proof.Seen, "gone") {
		t.Errorf("%+v, %v", proof, err)
	}
	if _, err := machine.Kill(ctx, c.Process.Pid); err == nil || !strings.Contains(err.Error(), "no such process") {
		t.Errorf("the dead was killed: %v", err)
	}
}

func TestProcessFaultsSpareTheirOwn(t *testing.T) {
	for _, pid := range []int{-1, 0, 1, os.Getpid(), os.Getppid()} {
		if _, err := machine.Pause(t.Context(), pid); err == nil {
			t.Errorf("process %d was paused", pid)
		}
		if _, err := machine.Kill(t.Context(), pid); err == nil {
			t.Errorf("process %d was killed", pid)
		}
	}
}

func TestBurn(t *testing.T) {
	before := children(t)
	b, err := machine.Burn(t.Context(), 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	burning := slices.DeleteFunc(children(t), func(pid string) bool { return slices.Contains(before, pid) })
	if len(burning) != 1 {
		t.Errorf("%v burn, want one process", burning)
	}
	if proof := b.Stop(); !strings.Contains(proof.Seen, burning[0]) {
		t.Errorf("proof %+v", proof)
	}
	if _, err := os.Stat("/proc/" + burning[0]); err == nil {
		t.Error("the process is there after the end")
	}

	short, err := machine.Burn(t.Context(), 1, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := short.Wait(bounded(t)); err != nil {
		t.Error(err)
	}
	for _, cfg := range []struct {
		n int
		d time.Duration
	}{{-1, time.Second}, {runtime.NumCPU() + 1, time.Second}, {1, 0}, {1, time.Hour}} {
		if _, err := machine.Burn(t.Context(), cfg.n, cfg.d); err == nil {
			t.Errorf("%v was taken", cfg)
		}
	}
}

// A process that is throttled to a quarter burns about that much in the same time.
func TestThrottle(t *testing.T) {
	cmd := exec.Command("sh", "-c", "ulimit -t 60; while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	burnt := func() (used, passed time.Duration) {
		began, before := time.Now(), ticks(t, cmd.Process.Pid)
		time.Sleep(600 * time.Millisecond)
		return time.Duration(ticks(t, cmd.Process.Pid)-before) * 10 * time.Millisecond, time.Since(began)
	}
	th, err := machine.Throttle(t.Context(), cmd.Process.Pid, 0.25)
	if err != nil {
		t.Fatal(err)
	}
	used, passed := burnt()
	t.Logf("throttled to a quarter it used %s of %s", used, passed)
	if used > passed*45/100 {
		t.Errorf("throttled to a quarter it used %s of %s", used, passed)
	}
	proof, err := th.Remove(bounded(t))
	if err != nil || !strings.Contains(proof.Fault, "throttle") || state(t, cmd.Process.Pid) == "T" {
		t.Errorf("%+v, %v", proof, err)
	}
	used, passed = burnt()
	t.Logf("free again it used %s of %s", used, passed)
	for _, share := range []float64{-1, 0, 1, 2} {
		if _, err := machine.Throttle(t.Context(), cmd.Process.Pid, share); err == nil {
			t.Errorf("a share of %v was taken", share)
		}
	}
}

// The watcher wakes what was paused when the program that paused it is killed.
func TestPausedWakesWhenTheDrillDies(t *testing.T) {
	if pid := os.Getenv("FAULT_TEST_PAUSE"); pid != "" {
		n, _ := strconv.Atoi(pid)
		_, err := machine.Pause(t.Context(), n)
		fmt.Println("paused", err)
		<-time.After(patience) // it is killed before
		return
	}
	c := start(t)
	drill := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	drill.Env = append(os.Environ(), "FAULT_TEST_PAUSE="+strconv.Itoa(c.Process.Pid))
	out, err := drill.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := drill.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if s := state(t, c.Process.Pid); line != "paused <nil>\n" || s != "T" {
		t.Errorf("%q, state %s", line, s)
	}
	_ = drill.Process.Kill()
	_ = drill.Wait()
	c.say("awake?")
	if answer, err := c.hear.ReadString('\n'); answer != "awake?\n" || err != nil {
		t.Errorf("%q, %v", answer, err)
	}
}

// ticks returns the processor time of a process in hundredths of a second.
func ticks(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}

func state(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))[0]
}

// children returns this program's, by the kernel.
func children(t *testing.T) (pids []string) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Skip("this kernel does not list children: ", err)
		}
		pids = append(pids, strings.Fields(string(b))...)
	}
	return pids
}

func TestClockIsNotRun(t *testing.T) {
	reason, ok := fault.IsNotRun(machine.Clock(time.Hour))
	if !ok || reason == "" {
		t.Errorf("%q", reason)
	}
	if _, ok := fault.IsNotRun(errors.New("x")); ok {
		t.Error("any error is not run")
	}
}
