//go:build !unix

package main

import "time"

// ownCPU is not known here: the figures of CPU are those of servers alone.
func ownCPU() time.Duration { return 0 }
