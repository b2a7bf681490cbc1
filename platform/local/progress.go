package local

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/platform/supervise/event"
)

// Progress prints what happens to a fleet, one line each: its Show is Config.Events.
type Progress struct {
	Out   io.Writer
	JSON  bool        // an object a line instead, everything there is
	Calm  bool        // deaths are meant, nobody need hear of them
	Quiet atomic.Bool // only what went wrong

	ready bool
}

// Show prints one event. It is called by one goroutine at a time.
func (p *Progress) Show(e event.Event) {
	if p.JSON {
		if err := json.NewEncoder(p.Out).Encode(e); err != nil {
			return // who does not read on misses it
		}
		return
	}
	name := e.Instance
	if name == "" {
		name = e.Service
	}
	after := ""
	if e.After > 0 {
		after = " in " + e.After.Round(time.Millisecond).String()
	}
	switch e.Kind {
	case event.FleetReady:
		p.ready = true
		p.line("all ready%s", after)
	case event.Starting:
		if p.ready {
			p.line("%-14s starting", name)
		}
	case event.Built, event.Ready, event.Replaced, event.Stopped:
		p.line("%-14s %s%s", name, e.Kind, after)
	case event.FleetStopping:
		p.line("%s", e.Kind)
	case event.FleetReloaded:
		p.line("%s%s: %s", e.Kind, after, e.Detail)
	case event.Draining, event.Replacing, event.Changed, event.Scaled, event.Removed, event.Building:
		p.line("%-14s %s %s", name, e.Kind, e.Detail)
	case event.Died, event.Backoff, event.Unready:
		if !p.Calm {
			p.always("%-14s %s%s: %s", name, e.Kind, after, e.Detail)
		}
	default: // something went wrong
		p.always("%-14s %s%s %s", name, e.Kind, after, e.Detail)
	}
}

func (p *Progress) line(format string, args ...any) {
	if !p.Quiet.Load() {
		p.always(format, args...)
	}
}

// always prints; details after the first line are indented below it.
func (p *Progress) always(format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), " \n")
	_, _ = fmt.Fprintln(p.Out, strings.ReplaceAll(text, "\n", "\n    "))
}
