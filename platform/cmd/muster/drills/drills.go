// Package drills is the verbs of `muster drill`.
package drills

import (
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill"
)

// within checks how long a drill is to last.
func within(d, least, most time.Duration) error {
	if d < least || d > most {
		return terminal.Usagef("--for must be %s to %s, not %s", least, most, d)
	}
	return nil
}

// report prints what a drill found, and returns which targets did not hold.
func report(t terminal.Terminal, r *drill.Report, err error, asJSON bool) error {
	if err != nil {
		return err
	}
	write := r.WriteTable
	if asJSON {
		write = r.WriteJSON
	}
	if err := write(t.Out); err != nil {
		return err
	}
	return r.Err()
}
