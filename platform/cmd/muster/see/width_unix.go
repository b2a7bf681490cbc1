//go:build unix

package see

import (
	"os"

	"golang.org/x/sys/unix"
)

// width returns how many characters a terminal's line has, 0 where f is none.
func width(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	if size.Col == 0 { // a terminal that does not know
		return usualWidth
	}
	return int(size.Col)
}
