//go:build unix

// Command bench measures the built binary from outside, and the library's engines, and writes what it saw into
// docs/benchmarks.md. It is run by make bench-…, never by a test: what it finds depends
// on the machine. `bench with-postgres COMMAND` lends a command a database server.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/musterdev/muster/bench/buses"
	"github.com/musterdev/muster/bench/calls"
	"github.com/musterdev/muster/bench/figures"
	"github.com/musterdev/muster/bench/gateways"
	"github.com/musterdev/muster/bench/traces"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "with-postgres" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		err := withPostgres(ctx, os.Args[2:])
		stop()
		fail(err)
		return
	}

	binary := flag.String("binary", "bin/muster", "the binary to measure")
	rounds := flag.Int("rounds", 5, "rounds; medians and ranges are over them")
	messages := flag.Int("messages", 1_000_000, "of outbox: events whose order is seen to; fewer are quicker")
	write := flag.String("write", "", "file whose section is replaced by the result, such as docs/benchmarks.md")
	rows := flag.String("rows", "", "of gateway: those to measure, separated by commas: "+strings.Join(gateways.Rows(), ", "))
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: bench [flags] start|first|edge|gateway|saga|outbox|bus|telemetry|cost|call, or bench with-postgres COMMAND")
		flag.PrintDefaults()
	}
	flag.Parse()
	measures := map[string]func(context.Context, string, int) (*figures.Result, error){
		"start": start, "first": first, "edge": edge, "gateway": gateways.Measure(*rows), "saga": benchSaga, "outbox": benchOutbox(*messages), "bus": buses.Measure,
		"telemetry": traces.Store, "cost": traces.Cost, "call": calls.Measure,
	}
	measure := measures[flag.Arg(0)]
	if flag.NArg() != 1 || measure == nil || *rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	r, err := measure(ctx, *binary, *rounds)
	stop()
	if err == nil {
		fmt.Print(r.Markdown())
		if *write != "" {
			err = r.WriteInto(*write)
		}
	}
	fail(err)
	if !r.Held() {
		fmt.Fprintln(os.Stderr, "error: not all targets held")
		os.Exit(1)
	}
}

// fail ends the process if there is an error.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
