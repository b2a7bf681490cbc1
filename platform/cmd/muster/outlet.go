package main

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"syscall"
)

// errUnread is why a verb ends whose standard stream has no reader any more.
var errUnread = errors.New("nobody reads the output")

// outlet is a standard stream. When its reader has gone, as after `muster up | head`,
// it says so once instead of letting the process die: a fleet is then ended in order.
// A SIGPIPE would not tell whether it was this stream or a client's connection.
type outlet struct {
	w      io.Writer
	closed context.CancelCauseFunc
	gone   atomic.Bool
}

func (o *outlet) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if errors.Is(err, syscall.EPIPE) && !o.gone.Swap(true) {
		o.closed(errUnread)
	}
	return n, err
}

// broken reports whether the stream's reader has gone.
func (o *outlet) broken() bool { return o.gone.Load() }
