//go:build unix

package pgserver

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownFolder makes a temporary folder and returns how to start the server on it. It
// gets a process group of its own, so that Ctrl-C ends the tests first. PostgreSQL
// refuses to run as root, so root starts it as the user of the distribution's package.
func ownFolder() (folder string, as *syscall.SysProcAttr, err error) {
	as = &syscall.SysProcAttr{Setpgid: true}
	parent := ""
	if os.Geteuid() == 0 {
		var u *user.User
		for _, name := range []string{"postgres", "nobody"} {
			if u, err = user.Lookup(name); err == nil {
				break
			}
		}
		if err != nil {
			return "", nil, fmt.Errorf("root cannot run PostgreSQL, and there is no user postgres to run it as: %w", err)
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return "", nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return "", nil, err
		}
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		parent = "/tmp" // root's own TMPDIR may be closed to others
	}
	if folder, err = os.MkdirTemp(parent, "pgserver"); err != nil {
		return "", nil, err
	}
	if c := as.Credential; c != nil {
		err = os.Chown(folder, int(c.Uid), int(c.Gid))
	}
	return folder, as, err
}
