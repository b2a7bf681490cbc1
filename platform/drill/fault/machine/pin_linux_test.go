package machine

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPin(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	var all, now unix.CPUSet
	if err := unix.SchedGetaffinity(cmd.Process.Pid, &all); err != nil {
		t.Fatal(err)
	}
	first := 0
	for !all.IsSet(first) {
		first++
	}
	undo, err := Pin(cmd.Process.Pid, first)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SchedGetaffinity(cmd.Process.Pid, &now); err != nil || now.Count() != 1 || !now.IsSet(first) {
		t.Errorf("it runs on %d processors: %v", now.Count(), err)
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
	if err := unix.SchedGetaffinity(cmd.Process.Pid, &now); err != nil || now != all {
		t.Errorf("it runs on %d processors afterwards, not on %d: %v", now.Count(), all.Count(), err)
	}
	if _, err := Pin(cmd.Process.Pid, 1000); err == nil {
		t.Error("pinned to a processor that is not there")
	}
}
