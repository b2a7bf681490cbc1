//go:build !linux

package machine

import "github.com/musterdev/muster/platform/drill/fault"

// look cannot tell a process's state here, so that no fault of a process could be proven.
func look(int) (state byte, began string, err error) {
	return 0, "", &fault.NotRun{Fault: "process fault", Reason: "this system does not show the state of a process in /proc; run the drill on Linux"}
}
