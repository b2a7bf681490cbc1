package process_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/musterdev/muster/platform/supervise/internal/testchild"
	"github.com/musterdev/muster/platform/supervise/process"
)

// TestChildrenOutliveOtherThreads ends many operating system threads: a child whose
// death signal hangs on one of them would die with it.
func TestChildrenOutliveOtherThreads(t *testing.T) {
	s, _ := starter(t)
	var children []*process.Process
	for range 8 {
		var wait sync.WaitGroup
		wait.Go(func() { // from a goroutine whose thread is about to end
			runtime.LockOSThread()
			p, out := start(t, s, testchild.Silent)
			out.waitFor(t, "working")
			children = append(children, p)
		})
		wait.Wait()
		for range 20 {
			wait.Go(runtime.LockOSThread) // a thread ends with a goroutine that holds it
		}
		wait.Wait()
	}
	for _, p := range children {
		select {
		case <-p.Done():
			t.Errorf("a child %s", p.Exit())
		default:
		}
	}
}
