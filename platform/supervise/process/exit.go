package process

import (
	"fmt"
	"os"
)

// Exit tells how a child ended.
type Exit struct {
	Code   int    `json:"code"`             // exit status; -1 when a signal ended it
	Signal string `json:"signal,omitempty"` // "killed", "segmentation fault", ... when a signal ended it
	Forced bool   `json:"forced,omitempty"` // it did not end by itself within Stop's grace
	Err    error  `json:"-"`                // it could not be started, or its end could not be learned
}

// Clean reports whether the child ended by itself with status 0.
func (e Exit) Clean() bool { return e.Code == 0 && e.Signal == "" && e.Err == nil && !e.Forced }

// String completes the sentence "the service ...".
func (e Exit) String() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Signal == "killed":
		return "was killed by a signal"
	case e.Signal != "":
		return fmt.Sprintf("was ended by a signal: %s", e.Signal)
	default:
		return fmt.Sprintf("exited with code %d", e.Code)
	}
}

func exitOf(state *os.ProcessState, err error) Exit {
	if state == nil {
		return Exit{Code: -1, Err: fmt.Errorf("wait for the process: %w", err)}
	}
	return Exit{Code: state.ExitCode(), Signal: signalOf(state)}
}
