package http1

import "golang.org/x/sys/unix"

// watched are sockets of which it is asked whether their peers have gone.
type watched []unix.PollFd

func (w watched) add(fd int) watched {
	return append(w, unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}) //nolint:gosec // a descriptor
}

// gone returns the places of those whose peer will send nothing more. A client that ends its
// direction takes its request back, as with net/http.
func (w watched) gone() (at []int) {
	if len(w) == 0 {
		return nil
	}
	if n, err := unix.Poll(w, 0); n <= 0 || err != nil {
		return nil
	}
	for i := range w {
		if w[i].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0 {
			at = append(at, i)
		}
	}
	return at
}

// full reports whether a socket has no room for more to be written to it, and is well.
func full(fd int) bool {
	w := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}} //nolint:gosec // a descriptor
	n, err := unix.Poll(w, 0)
	return n == 0 && err == nil
}

// takes reports whether a socket has room for more to be written to it.
func takes(fd int) bool {
	w := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}} //nolint:gosec // a descriptor
	n, err := unix.Poll(w, 0)
	return n > 0 && err == nil && w[0].Revents == unix.POLLOUT
}
