//go:build linux

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// beginDemo starts a demo whose output goes through a pipe.
func beginDemo(t *testing.T) (cmd *exec.Cmd, out *os.File, temp string) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	temp = t.TempDir()
	cmd = exec.Command(path, "demo")
	cmd.Env = append(os.Environ(), "MUSTER_EDGE_PORT=0", "MUSTER_CONTROL_PORT=0", "MUSTER_BROKER_PORT=0", "MUSTER_BROKER_HTTP_PORT=0", "DEMO_OF="+temp, "TMPDIR="+temp)
	cmd.Stdout, cmd.Stderr = in, &output{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // when the test failed
		_ = out.Close()
	})
	_ = in.Close() // the demo has its own
	return cmd, out, temp
}

// wantNothing checks how the demo ends and that it leaves neither process nor file.
func wantNothing(t *testing.T, cmd *exec.Cmd, temp string, code int) {
	t.Helper()
	_ = cmd.Wait() // its exit status is looked at
	if cmd.ProcessState.ExitCode() != code {
		t.Errorf("the demo ended with %v, want exit status %d", cmd.ProcessState, code)
	}
	if left := processesOf(t, temp); len(left) > 0 {
		t.Errorf("these live: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "muster-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestHangUpEndsInOrder(t *testing.T) {
	// Where these tests are run by nohup the signal is ignored, and a child would inherit
	// that; what is caught is the default again in a child.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	cmd, out, temp := beginDemo(t)
	var said strings.Builder
	for b := make([]byte, 4096); !strings.Contains(said.String(), "Ctrl-C ends it."); {
		n, err := out.Read(b)
		if err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		said.Write(b[:n])
	}
	if exe, err := binary(); err != nil || !strings.Contains(said.String(), "       "+exe+" ps -C "+temp) {
		t.Errorf("the commands do not name %s:\n%s", exe, said.String())
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, cmd, temp, exitOK)
}

func TestClosedOutputEndsInOrder(t *testing.T) {
	cmd, out, temp := beginDemo(t)
	if _, err := out.Read(make([]byte, 1)); err != nil { // something runs
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	wantNothing(t, cmd, temp, exitBrokenPipe)
	if said := cmd.Stderr.(*output).String(); said != "" {
		t.Errorf("it says %s", said)
	}
}
