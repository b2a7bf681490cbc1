package main

import (
	"context"
	"log/slog"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/gen"
)

// genCmd generates code from contracts.
type genCmd struct {
	Dir     string   `arg:"" optional:"" default:"." help:"The tree whose .proto files are compiled."`
	Check   bool     `help:"Write nothing; fail when a generated file is not up to date."`
	Plugins []string `name:"plugin" placeholder:"MODULE@VERSION[:OPTIONS]" help:"Run a further plugin, or another version of a default one."`
	Imports []string `name:"import" placeholder:"DIR" help:"A further tree to import from; no code is made of it."`
	JSON    bool     `name:"json" help:"Report as JSON, an object a line."`
}

func (c *genCmd) Run(ctx context.Context, t terminal.Terminal) error {
	o := gen.Options{Dir: c.Dir, Imports: c.Imports, Check: c.Check, Log: c.log(t)}
	for _, text := range c.Plugins {
		p, err := gen.ParsePlugin(text)
		if err != nil {
			return terminal.Usage(err)
		}
		o.Plugins = append(o.Plugins, p)
	}
	return gen.Run(ctx, o)
}

func (c *genCmd) log(t terminal.Terminal) *slog.Logger {
	o := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{} // it says nothing here
		}
		return a
	}}
	if c.JSON {
		return slog.New(slog.NewJSONHandler(t.Out, o))
	}
	return slog.New(slog.NewTextHandler(t.Err, o))
}
