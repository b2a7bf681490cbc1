package main

import (
	"os"
	"strings"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
)

// self is how a shell in another terminal calls this very program.
func self() string {
	exe, err := os.Executable()
	if err != nil {
		return "muster"
	}
	return shellWord(exe)
}

// shellWord quotes a value for a POSIX shell where it must be quoted.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:@,%", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return terminal.Quote(s)
}
