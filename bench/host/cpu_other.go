//go:build !unix

package host

import "time"

// OwnCPU is not known here: the figures of CPU are those of servers alone.
func OwnCPU() time.Duration { return 0 }
