//go:build unix && !linux

// Package socket reads and writes sockets that do not block by their descriptors, while package
// net watches over them.
package socket

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Direct says whether sockets can be used by their descriptors here.
const Direct = true

// Receive reads what is there.
func Receive(fd uintptr, into []byte) (n int, err error) {
	for {
		n, err = unix.Read(int(fd), into)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Send writes what there is room for.
func Send(fd uintptr, p []byte) (n int, err error) {
	for {
		n, err = unix.Write(int(fd), p)
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Blocked reports whether there was nothing to read.
func Blocked(err error) bool { return err == unix.EAGAIN } //nolint:errorlint // it is what the system said
