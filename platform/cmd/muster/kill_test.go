//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A supervisor that is killed can clean up nothing; its fleet ends all the same.
func TestNothingOutlivesTheSupervisor(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out := &output{}
	cmd := exec.Command(path, "demo", "--dir", dir)
	cmd.Env = append(os.Environ(), "MUSTER_EDGE_PORT=0", "MUSTER_CONTROL_PORT=0", "MUSTER_BROKER_PORT=0", "MUSTER_BROKER_HTTP_PORT=0", "DEMO_OF="+dir)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(out.String(), "all ready"); <-tick.C {
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			t.Fatalf("the demo is not ready:\n%s", out)
		}
	}
	before := processesOf(t, dir)
	if len(before) < 8 { // supervisor, guardian, two engines, four services
		t.Errorf("%d processes run, want at least 8: %q", len(before), before)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	_ = cmd.Wait() // it was killed
	for {
		left := processesOf(t, dir)
		if len(left) == 0 {
			break
		}
		if time.Since(killed) > 2*time.Second {
			t.Fatalf("2 s after the supervisor's death these live: %q", left)
		}
		<-tick.C
	}
	t.Logf("%d processes, none left after %s", len(before), time.Since(killed).Round(time.Millisecond))
}

// processesOf returns the command lines of the processes that were told DEMO_OF=dir.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, proc := range dirs {
		env, _ := os.ReadFile(filepath.Join(proc, "environ")) // it may have ended
		if !bytes.Contains(env, []byte("DEMO_OF="+dir)) {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		if len(cmdline) > 0 { // a zombie has none
			found = append(found, strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return found
}
