package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/cmd/muster/drills"
	"github.com/musterdev/muster/platform/cmd/muster/gameday"
	"github.com/musterdev/muster/platform/cmd/muster/running"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/cmd/muster/traffic"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/supervise/event"
)

// The exit statuses of every verb.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for did not succeed, or a drill's target did not hold
	exitUsage  = 2 // the command line, muster.yaml or a variable is wrong; nothing was started

	exitInterrupted = 130 // Ctrl-C or another ending signal before it was done; 128 + SIGINT, as of a shell
	exitBrokenPipe  = 141 // nobody reads what it prints any more; 128 + SIGPIPE
)

// commands is the grammar of the command line, one field a verb.
type commands struct {
	Demo       demoCmd            `cmd:"" help:"Run the reference shop, which is inside this binary."`
	Up         upCmd              `cmd:"" help:"Run the services of muster.yaml until Ctrl-C."`
	Ps         running.Ps         `cmd:"" help:"Show what runs."`
	Logs       running.Logs       `cmd:"" help:"Show what services print."`
	Trace      running.Trace      `cmd:"" help:"Show a trace as a tree, or list traces: the slow ones, those that failed."`
	Map        running.Map        `cmd:"" help:"Show who calls whom, from the traffic of the last minutes."`
	Why        running.Why        `cmd:"" help:"Tell why a trace took as long as it did, beside others of its route."`
	Scale      running.Scale      `cmd:"" help:"Change how many replicas of a service run: muster scale cart=3."`
	Edge       edgeVerbs          `cmd:"" help:"Give orders to the gateway of a fleet that runs."`
	Down       running.Down       `cmd:"" help:"End a fleet that runs."`
	Env        running.Env        `cmd:"" help:"Print the environment of one service, to run it in a debugger."`
	Saga       running.Saga       `cmd:"" help:"Show sagas and mend them."`
	Check      running.Check      `cmd:"" help:"Find what would go wrong in what runs."`
	Bus        running.Bus        `cmd:"" help:"Show how events fare, and settle those that nobody could handle."`
	Projection running.Projection `cmd:"" help:"Show read models, and have them made anew."`
	CDC        running.CDC        `cmd:"" name:"cdc" help:"Show which databases of others are followed, and have them copied anew."`
	Webhook    running.Webhook    `cmd:"" help:"Show the endpoints of partners, and send again what did not arrive."`
	Asyncapi   running.AsyncAPI   `cmd:"" help:"Show who sends and who receives which events, or the AsyncAPI document of a service."`
	Dashboard  dashboardCmd       `cmd:"" help:"Keep and show the traces, metrics and logs of any OpenTelemetry programs, without a fleet."`
	Drill      drillCmd           `cmd:"" help:"Break something on purpose and measure what users see."`
	Load       traffic.Load       `cmd:"" help:"Offer requests at a rate of your own, and see what becomes of them."`
	Gen        genCmd             `cmd:"" help:"Compile .proto files and generate Go code; only Go need be installed."`
	Schema     schemaCmd          `cmd:"" help:"Print the JSON Schema of muster.yaml, for editors."`
	Doctor     doctorCmd          `cmd:"" help:"Check what this machine and this folder need to run the fleet."`

	parts

	Version kong.VersionFlag `help:"Print the version and end."`
}

// parts are the verbs by which this binary starts itself as a part of something.
type parts struct {
	Engine engineCmd    `cmd:"" hidden:"" help:"Run one of the platform's engines, as the supervisor does."`
	Shop   shopCmd      `cmd:"" hidden:"" help:"Run one service of the shop, as the demo does."`
	Stage  drills.Stage `cmd:"" hidden:"" help:"Run one service of a drill, as the drill does."`
}

// grammar returns what the arguments are read by. To read the tags of all verbs takes 10 ms,
// a fifth of an edge's start.
func grammar(args []string) any {
	if len(args) > 0 && slices.Contains([]string{"engine", "shop", "stage"}, args[0]) {
		return &parts{}
	}
	return &commands{}
}

// errInterrupted ends a verb that a signal kept from its end.
var errInterrupted = local.ErrInterrupted

// notHeld ends a drill or a demo of which these targets did not hold.
func notHeld(which []string) error {
	return fmt.Errorf("not all targets held: %s", strings.Join(which, "; "))
}

// run is main without the process: it can be called again and again.
func run(ctx context.Context, args []string, t terminal.Terminal) int {
	exited := -1
	parser, err := kong.New(grammar(args), kong.Name("muster"),
		kong.Description("Runs a team's services and everything around them."),
		kong.Writers(t.Out, t.Err), kong.Exit(func(code int) { exited = code }),
		kong.Vars{"version": version()}, kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(t), kong.Bind(gameday.Command(typed)))
	if err != nil {
		_, _ = fmt.Fprintln(t.Err, "error:", err)
		return exitUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited >= 0 { // --help, --version
		return exited
	}
	if err != nil {
		_, _ = fmt.Fprintf(t.Err, "error: %v: see muster --help\n", err)
		return exitUsage
	}
	err = k.Run()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errInterrupted // whatever it was that the signal kept from its end
	}
	if errors.Is(context.Cause(ctx), terminal.ErrUnread) && (errors.Is(err, errInterrupted) || errors.Is(err, syscall.EPIPE)) {
		return exitBrokenPipe // that its reader has gone is no news to anybody
	}
	return report(err, t)
}

// report prints an error in its one line (a muster.yaml may have several) and
// returns the exit status it means.
func report(err error, t terminal.Terminal) int {
	if err == nil {
		return exitOK
	}
	printError(t.Err, err)
	if errors.Is(err, errInterrupted) {
		return exitInterrupted
	}
	if _, ok := errors.AsType[*fleet.Error](err); ok {
		return exitUsage
	}
	if errors.Is(err, muster.ErrConfig) {
		return exitUsage
	}
	return exitFailed
}

// printError prints what is wrong on a line of its own, each further mistake of a
// file on another, and below them, indented, what a program that failed had printed.
func printError(w io.Writer, err error) {
	lines := strings.Split(strings.TrimRight(err.Error(), "\n"), "\n")
	_, _ = fmt.Fprintln(w, "error:", strings.Join(lines, "\n       "))
	for _, line := range event.Details(err) {
		_, _ = fmt.Fprintln(w, "    "+line)
	}
}
