package pace

import (
	"time"

	"golang.org/x/sys/unix"
)

// Sharpen lets this thread's sleeps end within a microsecond or so in place of 50
// (prctl(2), PR_SET_TIMERSLACK); the caller holds the thread (runtime.LockOSThread) and never gives it back.
func Sharpen() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) } // else it stays at 50

// Nap sleeps on the thread itself: the runtime's timers may wake up to a millisecond late.
func Nap(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // a signal cuts it short, and the caller looks at the time again
}
