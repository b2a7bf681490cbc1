//go:build !linux

package pace

import (
	"runtime"
	"time"
)

// Sharpen does nothing here.
func Sharpen() {}

// Nap sleeps by the runtime's timer while there is more than its precision, then yields.
func Nap(d time.Duration) {
	const precision = 1500 * time.Microsecond
	if d > precision {
		<-time.After(d - precision)
		return
	}
	runtime.Gosched()
}
