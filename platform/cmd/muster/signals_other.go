//go:build !unix

package main

import (
	"os"
	"syscall"
)

// endings are the signals that end a verb in order; Windows says SIGTERM when its
// console is closed.
func endings() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

// surviveBrokenPipes has nothing to do: a write to a closed stream is an error here.
func surviveBrokenPipes() {}
