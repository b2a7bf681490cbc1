package terminal

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"syscall"
)

// ErrUnread is why a verb ends whose standard stream has no reader any more.
var ErrUnread = errors.New("nobody reads the output")

// Outlet is a standard stream. When its reader has gone, as after `muster up | head`,
// it says so once instead of letting the process die: a fleet is then ended in order.
// A SIGPIPE would not tell whether it was this stream or a client's connection.
type Outlet struct {
	To     io.Writer
	Closed context.CancelCauseFunc // called once, with ErrUnread

	gone atomic.Bool
}

// Write writes on, and tells when nobody reads.
func (o *Outlet) Write(p []byte) (int, error) {
	n, err := o.To.Write(p)
	if errors.Is(err, syscall.EPIPE) && !o.gone.Swap(true) {
		o.Closed(ErrUnread)
	}
	return n, err
}

// Broken reports whether the stream's reader has gone.
func (o *Outlet) Broken() bool { return o.gone.Load() }
