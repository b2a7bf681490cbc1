//go:build !linux

package machine

import "github.com/musterdev/muster/platform/drill/fault"

// Pin has a process run on some processors only. It is not known how here: the error has
// [fault.NotRun].
func Pin(int, ...int) (undo func() error, err error) {
	return nil, &fault.NotRun{Fault: "pin", Reason: "only Linux is told which processors a process may use"}
}
