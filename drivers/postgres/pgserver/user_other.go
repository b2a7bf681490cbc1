//go:build !unix

package pgserver

import (
	"errors"
	"syscall"
)

func ownFolder() (string, *syscall.SysProcAttr, error) {
	return "", nil, errors.New("only on Unix: the server is guarded by a shell")
}
