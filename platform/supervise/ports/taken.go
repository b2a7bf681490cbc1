package ports

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// Fixed is a port that cannot be chosen freely.
type Fixed struct {
	Port    int
	Who     string // who wants it: "edge"
	Setting string // what chooses another: "--port or MUSTER_EDGE_PORT"
}

// TakenError says that a fixed port is not free.
type TakenError struct {
	Fixed
	Holder string // "nginx (pid 812)", or "" when the system does not tell
	cause  error
}

// Error is one line: what is wrong, who is in the way, what to do.
func (e *TakenError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "port %d for %s is taken", e.Port, e.Who)
	if !errors.Is(e.cause, syscall.EADDRINUSE) {
		fmt.Fprintf(&b, " (%v)", e.cause)
	}
	if e.Holder != "" {
		fmt.Fprintf(&b, ": %s listens there", e.Holder)
	}
	b.WriteString("; end that program")
	if e.Setting != "" {
		fmt.Fprintf(&b, ", or choose another port with %s", e.Setting)
	}
	return b.String()
}

// Unwrap returns what the system said.
func (e *TakenError) Unwrap() error { return e.cause }

// Check returns a *TakenError if nobody could listen on the port on 127.0.0.1.
func Check(f Fixed) error {
	if f.Port < 1 || f.Port > 65535 {
		return fmt.Errorf("port %d for %s is no port; choose one from 1 to 65535%s", f.Port, f.Who, with(f.Setting))
	}
	err := bindable(f.Port)
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("port %d for %s needs a right this user has not; choose one above 1023%s: %w", f.Port, f.Who, with(f.Setting), err)
	}
	return &TakenError{Fixed: f, Holder: holder("/proc", f.Port), cause: err}
}

func with(setting string) string {
	if setting == "" {
		return ""
	}
	return " with " + setting
}
