// Package traffic is `muster load`: it offers requests to a fleet, or to any server, and
// says what became of them.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/supervise/ctl"
)

// What a URL alone is asked for.
const (
	usualRate = load.Rate(50)
	usualFor  = 30 * time.Second
)

// Load offers requests at a rate of its own.
type Load struct {
	What string `arg:"" name:"file-or-url" help:"A file that says who comes and what they do, or a URL to GET."`

	Rate   *load.Rate     `placeholder:"N/s" help:"Visitors a second, in place of the file's stages; 50/s for a URL."`
	For    *time.Duration `placeholder:"30s" help:"How long visitors arrive, in place of the file's; 30s for a URL."`
	URL    string         `name:"url" placeholder:"URL" help:"What the file's paths are joined to, in place of its own; without either it is the edge of the fleet that runs in DIR."`
	Seed   uint64         `placeholder:"N" help:"Makes arrivals and choices repeatable."`
	MaxLag time.Duration  `default:"1ms" help:"How late this program itself may be, at the 99th percentile, before the result is void."`
	JSON   bool           `name:"json" help:"Print the result as JSON."`
	Dir    string         `short:"C" default:"." placeholder:"DIR" help:"The folder whose fleet is meant."`
}

// Run runs the verb. Its error is a bad plan, a result that does not hold, or the signal
// that ended it; the result so far is printed first.
func (c *Load) Run(ctx context.Context, t terminal.Terminal) error { return c.run(ctx, t, t.Live()) }

// run shows how it stands meanwhile where a person looks on.
func (c *Load) run(ctx context.Context, t terminal.Terminal, watched bool) error {
	plan, err := c.plan(ctx)
	if err != nil {
		return err
	}
	if c.MaxLag <= 0 {
		return terminal.Usagef("--max-lag must be more than 0s, not %s", c.MaxLag)
	}
	cfg := load.Config{MaxLag: c.MaxLag}
	if watched {
		cfg.Progress = func(p load.Progress) { _, _ = io.WriteString(t.Err, "\r\x1b[K"+line(p)) }
	}
	r, err := load.Run(ctx, plan, cfg)
	if watched {
		_, _ = io.WriteString(t.Err, "\r\x1b[K")
	}
	if err != nil {
		return terminal.Usage(err)
	}
	write := r.WriteText
	if c.JSON {
		write = r.WriteJSON
	}
	if err := write(t.Out); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return local.ErrInterrupted
	}
	return r.Err()
}

// line says how a run stands.
func line(p load.Progress) string {
	s := fmt.Sprintf("%s of %s: %d offered, %d ok, %d failed, %d dropped, %d inside", p.After.Round(time.Second), p.Of, p.Offered, p.OK, p.Failed, p.Dropped, p.InFlight)
	if p.Recent.Count > 0 {
		s += fmt.Sprintf("; now p50 %s, p99 %s", p.Recent.P50.Round(100*time.Microsecond), p.Recent.P99.Round(100*time.Microsecond))
	}
	return s
}

// plan is what the command line and the file say together.
func (c *Load) plan(ctx context.Context) (load.Plan, error) {
	plan, name, err := c.read()
	if err != nil {
		return plan, err
	}
	if err := c.pace(&plan); err != nil {
		return plan, err
	}
	if c.URL != "" {
		plan.URL = c.URL
	}
	if c.Seed != 0 {
		plan.Seed = c.Seed
	}
	if plan.NeedsURL() {
		if plan.URL, err = edge(ctx, c.Dir); err != nil {
			return plan, fmt.Errorf("%s: its paths need a url, and there is none: write it there, give --url, or have the fleet run: %w", name, err)
		}
	}
	if err := plan.Validate(); err != nil {
		return plan, terminal.Usagef("%s: %w", name, err)
	}
	return plan, nil
}

// read returns the plan of the file, or of the URL alone.
func (c *Load) read() (plan load.Plan, name string, err error) {
	if u, err := url.Parse(c.What); strings.HasPrefix(c.What, "http://") || strings.HasPrefix(c.What, "https://") {
		switch {
		case err != nil:
			return plan, "", terminal.Usagef("%q is no URL such as http://127.0.0.1:8080/v1/products: %w", c.What, errors.Unwrap(err))
		case u.Host == "":
			return plan, "", terminal.Usagef("%q is no URL such as http://127.0.0.1:8080/v1/products: it names no host", c.What)
		case c.URL != "":
			return plan, "", terminal.Usagef("--url %s: %s is whole, there is nothing to join to it", c.URL, c.What)
		}
		return load.One(c.What, usualRate, usualFor), c.What, nil
	}
	info, err := os.Stat(c.What)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return plan, "", terminal.Usagef("there is no file %q; a URL begins with http://", c.What)
	case err == nil && info.Size() > load.MaxFile:
		return plan, "", terminal.Usagef("%s has %d bytes; a plan has at most %d", c.What, info.Size(), load.MaxFile)
	}
	data, err := os.ReadFile(c.What)
	if err != nil {
		return plan, "", terminal.Usage(err)
	}
	if plan, err = load.Parse(c.What, data); err != nil {
		return plan, "", terminal.Usage(err)
	}
	return plan, c.What, nil
}

// pace puts the flags' rate and time in place of the plan's.
func (c *Load) pace(p *load.Plan) error {
	switch {
	case c.Rate != nil && *c.Rate == 0:
		return terminal.Usagef("--rate must be more than 0/s: nobody would come")
	case c.Rate != nil && c.For != nil:
		p.Stages = []load.Stage{{Rate: *c.Rate, For: *c.For}}
	case c.Rate != nil:
		p.Stages = []load.Stage{{Rate: *c.Rate, For: p.For()}}
	case c.For != nil && len(p.Stages) > 1:
		return terminal.Usagef("--for: the plan has %d stages of their own; give --rate too, to put one in their place", len(p.Stages))
	case c.For != nil:
		p.Stages[0].For = *c.For
	}
	return nil
}

// patience is how long an edge may take to say where it is.
const patience = 5 * time.Second

// edge returns the URL of the edge of the fleet that runs in a folder.
func edge(ctx context.Context, dir string) (string, error) {
	soon, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := ctl.NewClient(dir).Status(soon); err != nil {
		if errors.Is(err, ctl.ErrNoFleet) {
			err = terminal.Usage(err)
		}
		return "", err
	}
	st, err := admin.NewClient(local.EdgeSocket(dir)).Status(soon)
	if err != nil {
		return "", fmt.Errorf("ask the edge where it is: %w", err)
	}
	return "http://" + st.Listen, nil
}
