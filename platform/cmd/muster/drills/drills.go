// Package drills is the verbs of `muster drill`.
package drills

import (
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load"
)

// within checks how long a drill is to last.
func within(d, least, most time.Duration) error {
	if d < least || d > most {
		return terminal.Usagef("--for must be %s to %s, not %s", least, most, d)
	}
	return nil
}

// rate returns what --rate says, 0 when it is not given.
func rate(given *load.Rate) (load.Rate, error) {
	switch {
	case given == nil:
		return 0, nil
	case *given == 0:
		return 0, terminal.Usagef("--rate must be more than 0/s")
	}
	return *given, nil
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
