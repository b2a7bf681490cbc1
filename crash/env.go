package crash

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// Variable is the environment variable that package muster reads a plan from.
const Variable = "MUSTER_CRASH"

// FromEnv returns the plan of a value of MUSTER_CRASH; "" is no plan.
//
//	on                          nothing by itself: a drill orders at /.muster/crash
//	record:FILE                 records from the process's start: a line for each boundary
//	                            is appended to FILE, INDEX TAB KIND TAB WHAT TAB N
//	at:POINT:before|after:FILE  counts from the process's start and kills the process at
//	                            POINT, an index or a name such as commit #3; FILE is
//	                            written just before. While FILE exists the process does
//	                            not crash: so a restart with the same environment goes on
//
// The variable is a tool of drills. Package muster refuses it for a service that listens
// beyond this machine, and says in the log, as a warning, that the process may end itself.
func FromEnv(value string) (*Plan, error) {
	verb, rest, _ := strings.Cut(value, ":")
	switch {
	case value == "":
		return nil, nil //nolint:nilnil // no plan is a plan that does nothing
	case value == "on":
		return New(Kill), nil
	case verb == "record" && rest != "":
		return recorder(rest)
	case verb == "at":
		return armed(rest)
	}
	return nil, fmt.Errorf("%s is %q: write on, record:FILE, or at:POINT:before:FILE with an index or a name such as commit #3", Variable, value)
}

func recorder(file string) (*Plan, error) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Variable, err)
	}
	p := New(Kill)
	var mu sync.Mutex
	p.told = func(b Boundary) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintf(f, "%d\t%s\t%s\t%d\n", b.Index, b.Kind, b.What, b.N) // what is missing is seen by its index
	}
	p.Record()
	return p, nil
}

func armed(rest string) (*Plan, error) {
	for _, side := range []Side{Before, After} {
		at, file, found := strings.Cut(rest, ":"+string(side)+":")
		if !found {
			continue
		}
		point := Point{At: at, Side: side}
		if err := point.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", Variable, err)
		}
		if file == "" {
			return nil, fmt.Errorf("%s names no file to write before the crash", Variable)
		}
		p := New(Kill)
		if _, err := os.Stat(file); err == nil {
			return p, nil
		}
		p.before = func(at Point, _ Boundary) {
			_ = os.WriteFile(file, []byte(at.String()+"\n"), 0o600) // else the process crashes once more, which is seen
		}
		return p, p.Arm(point)
	}
	return nil, fmt.Errorf("%s is at:%s: write at:POINT:before:FILE or at:POINT:after:FILE", Variable, rest)
}
