// Package socket reads and writes sockets that do not block by their descriptors, while package
// net watches over them: a connection's goroutine does so in what it gives to
// syscall.RawConn.Read, and is woken when there is more. Nothing here waits, and nothing allocates.
package socket

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Direct says whether sockets can be used by their descriptors here.
const Direct = true

// Receive reads what is there. As the socket never blocks, the scheduler is not told of the
// call, which costs it as much as a short call itself.
func Receive(fd uintptr, into []byte) (n int, err error) {
	return transfer(unix.SYS_RECVFROM, fd, into, unix.MSG_DONTWAIT)
}

// Send writes what there is room for.
func Send(fd uintptr, p []byte) (n int, err error) {
	return transfer(unix.SYS_SENDTO, fd, p, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

func transfer(call, fd uintptr, p []byte, flags uintptr) (int, error) {
	for {
		n, _, e := unix.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0) //nolint:gosec // what package syscall does
		switch e {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return -1, unix.EAGAIN
		default:
			return -1, e
		}
	}
}

// Blocked reports whether there was nothing to read, or no room.
func Blocked(err error) bool { return err == unix.EAGAIN } //nolint:errorlint // it is what the system said
