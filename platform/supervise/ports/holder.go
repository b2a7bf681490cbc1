package ports

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// listening is the state of a listening socket in /proc/net/tcp.
const listening = "0A"

// holder names the process that listens on the port, as far as /proc tells:
// nothing on systems without it, nothing about other users' processes.
func holder(proc string, port int) string {
	for _, table := range []string{"net/tcp", "net/tcp6"} {
		inode := listenerIn(filepath.Join(proc, table), port)
		if inode == "" {
			continue
		}
		if pid := ownerOf(proc, inode); pid != "" {
			return fmt.Sprintf("%s (pid %s)", nameOf(proc, pid), pid)
		}
		return "a process of another user"
	}
	return ""
}

func listenerIn(table string, port int) string {
	f, err := os.Open(table)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if at, inode, ok := listener(lines.Text()); ok && at == port {
			return inode
		}
	}
	return ""
}

// listener reads one line of /proc/net/tcp, proc_net_tcp(5):
//
//	0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 27213 1 ...
func listener(line string) (port int, inode string, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != listening {
		return 0, "", false
	}
	_, hex, found := strings.Cut(fields[1], ":")
	n, err := strconv.ParseUint(hex, 16, 16)
	if !found || err != nil {
		return 0, "", false
	}
	return int(n), fields[9], true
}

// ownerOf finds the process that has the socket open.
func ownerOf(proc, inode string) string {
	want := "socket:[" + inode + "]"
	links, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*")) // fails on a bad pattern only
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == want {
			return filepath.Base(filepath.Dir(filepath.Dir(link)))
		}
	}
	return ""
}

func nameOf(proc, pid string) string {
	name, err := os.ReadFile(filepath.Join(proc, pid, "comm"))
	if err != nil {
		return "a process"
	}
	return strings.TrimSpace(string(name))
}
