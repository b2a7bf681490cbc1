package reload

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// memory returns what a process has in memory of its own, in bytes: its share of what
// others have too, and all of the rest.
func memory(pid int) (int64, error) {
	path := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) >= 2 && string(f[0]) == "Pss:" {
			n, err := strconv.ParseInt(string(f[1]), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s says nothing of Pss", path)
}
