//go:build !unix

package observe

import "time"

// cpuTime is not known here.
func cpuTime() (user, system time.Duration, ok bool) { return 0, 0, false }

// residentMemory is not known here.
func residentMemory() (int64, bool) { return 0, false }
