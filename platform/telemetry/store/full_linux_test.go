package store_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// On a full disk Append fails with ErrFull and keeps nothing of the batch; what was there
// stays, and once there is room all goes on.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	defer func() { _ = syscall.Unmount(disk, 0) }()
	s, err := store.Open(filepath.Join(disk, "telemetry"), store.Config{BlockRows: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	rnd, kept, failed := rand.New(rand.NewPCG(1, 1)), 0, 0
	try := func(n int) {
		for range n {
			switch err := s.Append(t.Context(), noise(rnd, "orders", 100)); {
			case errors.Is(err, signal.ErrFull):
				failed++
			case err != nil:
				t.Fatal(err)
			default:
				kept += 100
			}
		}
	}
	try(1000)
	if failed < 100 || kept < 10_000 {
		t.Fatalf("on a disk of 2 MiB %d batches failed, %d spans were kept", failed, kept)
	}
	if err := s.Flush(t.Context()); err != nil && !errors.Is(err, signal.ErrFull) {
		t.Fatalf("flush on a full disk: %v", err)
	}
	check := func(when string) {
		t.Helper()
		if n := len(spansOf(t, s)); n != kept {
			t.Fatalf("%s: found %d spans, kept %d", when, n, kept)
		}
	}
	check("full")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	failed = 0
	try(20)
	if failed > 0 {
		t.Errorf("with room again %d batches failed", failed)
	}
	check("with room")
	if err := s.Flush(t.Context()); err != nil {
		t.Errorf("flush with room: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if s, err = store.Open(filepath.Join(disk, "telemetry"), store.Config{}); err != nil {
		t.Fatal(err)
	}
	if d := s.Damage(); d != (store.Damage{}) {
		t.Errorf("damage: %+v", d)
	}
	check("again")
}
