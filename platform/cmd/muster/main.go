// Command muster runs a team's services and everything around them. See
// `muster --help`, or docs/playbook for what it is for.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	ctx, hangUp := context.WithCancelCause(ctx)
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends this process at once; the guardian then ends its fleet
	}()
	surviveBrokenPipes()
	out, err := &terminal.Outlet{To: os.Stdout, Closed: hangUp}, &terminal.Outlet{To: os.Stderr, Closed: hangUp}
	code := run(ctx, os.Args[1:], terminal.Terminal{In: os.Stdin, Out: out, Err: err})
	stop()
	if out.Broken() || err.Broken() {
		code = exitBrokenPipe
	}
	os.Exit(code)
}
