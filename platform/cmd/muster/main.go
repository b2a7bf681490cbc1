// Command muster runs a team's services and everything around them. See
// `muster --help`, or docs/playbook for what it is for.
package main

import (
	"context"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	ctx, hangUp := context.WithCancelCause(ctx)
	go func() {
		<-ctx.Done()
		stop() // a second Ctrl-C ends this process at once; the guardian then ends its fleet
	}()
	surviveBrokenPipes()
	out, err := &outlet{w: os.Stdout, closed: hangUp}, &outlet{w: os.Stderr, closed: hangUp}
	code := run(ctx, os.Args[1:], terminal{os.Stdin, out, err})
	stop()
	if out.broken() || err.broken() {
		code = exitBrokenPipe
	}
	os.Exit(code)
}
