// Package drills is the verbs of `muster drill` that bring a fleet of their own.
package drills

import (
	"fmt"
	"io"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/drill"
)

// Terminal is where a drill's report goes.
type Terminal struct{ Out io.Writer }

// usage is a wrong flag: a [muster.ErrConfig], so that nothing was started.
type usage string

func (u usage) Error() string      { return string(u) }
func (usage) Is(target error) bool { return target == muster.ErrConfig }

// within checks how long a drill is to last.
func within(d, least, most time.Duration) error {
	if d < least || d > most {
		return usage(fmt.Sprintf("--for must be %s to %s, not %s", least, most, d))
	}
	return nil
}

// report prints what a drill found, and returns which targets did not hold.
func (t Terminal) report(r *drill.Report, err error, asJSON bool) error {
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
