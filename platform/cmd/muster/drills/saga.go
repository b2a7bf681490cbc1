package drills

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill/own"
	"github.com/musterdev/muster/platform/drill/sagas"
	"github.com/musterdev/muster/platform/local"
)

// Saga crashes the process that carries on a saga at everything it writes.
type Saga struct {
	ownFlags

	Saga   string        `arg:"" placeholder:"NAME" help:"The saga, as muster saga ls has it; without -f one of the shop's, checkout."`
	Flow   string        `placeholder:"NAME" help:"With -f: the flow of the load file that begins one such saga; all that do if not given. On the shop bought or refused."`
	Check  string        `placeholder:"COMMAND" help:"With -f: must end with status 0 after each crash; or GET /PATH of the edge, which must answer 2xx."`
	Sample int           `placeholder:"N" help:"Crash at so many boundaries, chosen by chance; at all if not given."`
	At     string        `placeholder:"POINT" help:"Crash at one boundary alone, as the report has it: before commit #3."`
	Within time.Duration `default:"30s" help:"How long it may take after a crash until every saga has ended and no message waits."`
	Seed   uint64        `placeholder:"N" help:"Makes the sample repeatable."`
	JSON   bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *Saga) Run(ctx context.Context, t terminal.Terminal) error {
	what, err := c.config(t)
	if err != nil {
		return err
	}
	if !c.own() {
		return c.onShop(ctx, t, what)
	}
	var check sagas.Check
	if c.Check != "" {
		if check, err = sagas.ParseCheck(c.Check); err != nil {
			return terminal.Usage(err)
		}
	}
	// The rate and the time are those of one visitor: see sagas.
	return c.run(ctx, t, c.JSON, own.Terms{For: time.Second, Rate: 1, Seed: c.Seed}, func(f *own.Fleet, terms own.Terms) (*own.Drill, error) {
		return f.Saga(terms, what, func(up *local.Fleet) (func(context.Context) error, error) {
			if c.Check == "" {
				return nil, nil //nolint:nilnil // nothing is checked
			}
			at, err := place(up)
			return check.Of(at), err
		})
	})
}

func (c *Saga) config(t terminal.Terminal) (sagas.Config, error) {
	what := sagas.Config{
		Saga: c.Saga, Flow: c.Flow, Sample: c.Sample, Within: c.Within, Again: c.again,
		Told: func(line string) { _, _ = fmt.Fprintln(t.Err, "saga:", line) },
	}
	switch {
	case c.Within < time.Second || c.Within > time.Hour:
		return what, terminal.Usagef("--within must be 1s to 1h0m0s, not %s", c.Within)
	case c.Sample < 0:
		return what, terminal.Usagef("--sample must be 1 or more, not %d", c.Sample)
	case c.At != "" && c.Sample > 0:
		return what, terminal.Usagef("--at is one boundary: leave --sample out")
	case c.At != "":
		at, err := crash.ParsePoint(c.At)
		if err != nil {
			return what, terminal.Usagef("--at: %s", err)
		}
		what.Only = &at
	}
	return what, nil
}

// plain are the characters of which a word needs no quotes in a shell.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:=,@%+"

// again is the command line that crashes at one boundary alone.
func (c *Saga) again(service, flow, point string) string {
	words := []string{"muster drill saga", c.Saga}
	flags := [][2]string{{"-f", c.File}, {"-e", c.Environment}, {"--load", c.Load}, {"--check", c.Check}, {"--service", service}, {"--flow", flow}, {"--at", point}}
	if !c.own() {
		flags = flags[4:]
	}
	for _, flag := range flags {
		value := flag[1]
		if value == "" {
			continue
		}
		if strings.Trim(value, plain) != "" {
			value = terminal.Quote(value)
		}
		words = append(words, flag[0], value)
	}
	return strings.Join(words, " ")
}

// place is what a check is told of a fleet: where its edge is, and each service's database.
func place(up *local.Fleet) (sagas.Place, error) {
	st := up.Status()
	told := map[string]string{"MUSTER_EDGE_URL": up.EdgeURL}
	for _, s := range st.Services {
		env, err := up.Environment(s.Name)
		if err != nil {
			return sagas.Place{}, err
		}
		if url := env["DATABASE_URL"]; url != "" {
			told[strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))+"_DATABASE_URL"] = url
		}
	}
	at := sagas.Place{Edge: up.EdgeURL}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		at.Env = append(at.Env, name+"="+told[name])
	}
	return at, nil
}
