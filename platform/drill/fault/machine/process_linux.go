package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// look reads a process's state and its start from /proc (proc_pid_stat(5)). A process
// that is gone has state 0.
func look(pid int) (state byte, began string, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", errors.New("there is no such process")
	}
	// "pid (name) state ...": the name may hold spaces and brackets.
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return 0, "", fmt.Errorf("/proc/%d/stat is not understood", pid)
	}
	return fields[0][0], string(fields[19]), nil // the 3rd and the 22nd of the line
}
