package guard_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/supervise/internal/testchild"
)

// TestChildDiesEvenWhileTheGuardianIsAway stops the guardian, so that only the
// kernel can end the child of a killed supervisor. Its own children must wait for
// the guardian.
func TestChildDiesEvenWhileTheGuardianIsAway(t *testing.T) {
	supervisor, guardian, child, grandchild := family(t)
	if err := syscall.Kill(guardian, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testchild.Eventually(t, 2*time.Second, "the child is gone", func() bool { return !testchild.Alive(child) })
	if err := syscall.Kill(guardian, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	testchild.Eventually(t, 2*time.Second, "the grandchild is gone", func() bool { return !testchild.Alive(grandchild) })
}
