package running

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/see"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/supervise/ctl"
	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// Logs shows what services print. As it was printed, it comes from the supervisor;
// what is searched for comes from control, which has kept more and reads it as records.
type Logs struct {
	Control
	Service string        `arg:"" optional:"" help:"A service or engine; all by default."`
	Follow  bool          `short:"f" help:"Go on with new lines until Ctrl-C."`
	Tail    *int          `short:"n" placeholder:"50" help:"How many lines of the past: 50, or all there are with --since or --trace (at most 5000)."`
	Trace   string        `placeholder:"ID" help:"Only what belongs to this trace."`
	Since   time.Duration `placeholder:"1h" help:"Only what is not older than this."`
	Grep    string        `placeholder:"TEXT" help:"Only lines that contain this, capitals or not."`
	Level   string        `placeholder:"LEVEL" help:"Only what is at least so serious: trace, debug, info, warn, error or fatal."`
}

// How many lines of the past are shown where --tail says nothing.
const (
	usualLines  = 50
	mostRecords = 5000
)

// Run runs the verb.
func (c *Logs) Run(ctx context.Context, t terminal.Terminal) error {
	r, err := c.wanted()
	if err != nil {
		return err
	}
	if c.URL == "" && c.Trace == "" && c.Since == 0 && c.Grep == "" && c.Level == "" {
		return c.lines(ctx, t, r.Most)
	}
	err = c.records(ctx, t, r)
	_, away := errors.AsType[*see.AwayError](err)
	switch {
	case err == nil:
		return nil
	case c.URL == "" && (away || errors.Is(err, errNoControl) || problem.CodeOf(err) == problem.Unavailable):
		t.Note(err.Error() + "; so these are only the last lines, which the supervisor has")
		return c.last(ctx, t, r)
	}
	return terminal.Plain(err)
}

func (c *Logs) wanted() (r see.Records, err error) {
	r = see.Records{Service: c.Service, Since: c.Since, Text: c.Grep, Most: usualLines}
	if c.Since > 0 || c.Trace != "" {
		r.Most = mostRecords
	}
	if c.Tail != nil {
		r.Most = *c.Tail
	}
	switch {
	case r.Most < 0:
		return r, terminal.Usagef("--tail must not be negative")
	case c.Since < 0:
		return r, terminal.Usagef("--since must be more than 0s, not %s", c.Since)
	}
	if r.Level, err = see.ParseLevel(c.Level); err != nil {
		return r, terminal.Usagef("--level %w", err)
	}
	if c.Trace != "" {
		if r.Trace, err = signal.ParseTraceID(c.Trace); err != nil {
			return r, terminal.Usagef("--trace: %q is no trace id: %w", c.Trace, err)
		}
	}
	return r, nil
}

// lines shows what was printed as it was.
func (c *Logs) lines(ctx context.Context, t terminal.Terminal, most int) error {
	return c.client().Logs(ctx, ctl.Tail{Service: c.Service, Lines: most, Follow: c.Follow}, func(line logs.Line) error {
		if c.JSON {
			return t.JSON(line)
		}
		_, err := fmt.Fprintf(t.Out, "%-14s %s\n", line.Instance, line.Text)
		return err
	})
}

// records shows what control has.
func (c *Logs) records(ctx context.Context, t terminal.Terminal, r see.Records) error {
	if c.Follow {
		begun := false
		err := see.Follow(ctx, see.Following{Find: func(ctx context.Context) (*see.Client, error) {
			client, err := c.find(ctx)
			begun = begun || err == nil
			return client, err
		}, Wanted: r, Show: c.show(t), Note: t.Note})
		if begun && errors.Is(err, ctl.ErrNoFleet) {
			return nil // the fleet has ended
		}
		return err
	}
	client, err := c.find(ctx)
	if err != nil {
		return err
	}
	return client.Records(ctx, r, c.show(t), t.Note)
}

func (c *Logs) show(t terminal.Terminal) func(query.Log) error {
	screen := t.Screen()
	return func(l query.Log) error {
		if c.JSON {
			return t.JSON(l)
		}
		return screen.Log(l, c.Trace == "")
	}
}

// last shows what of the supervisor's last lines is wanted.
func (c *Logs) last(ctx context.Context, t terminal.Terminal, r see.Records) error {
	show := c.show(t)
	var past []query.Log // when no more are to come
	err := c.client().Logs(ctx, ctl.Tail{Service: c.Service, Lines: mostRecords, Follow: c.Follow}, func(line logs.Line) error {
		l, wanted := r.Read(line)
		switch {
		case !wanted:
		case c.Follow:
			return show(l)
		default:
			past = append(past, l)
		}
		return nil
	})
	for _, l := range past[max(0, len(past)-r.Most):] {
		err = errors.Join(err, show(l))
	}
	return err
}
