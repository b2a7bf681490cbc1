package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/musterdev/muster/platform/cmd/muster/see"
	"github.com/musterdev/muster/platform/supervise/ctl"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// controlFlags say whose telemetry is asked for.
type controlFlags struct {
	fleetDir
	URL  string `name:"url" placeholder:"URL" help:"Ask at this address, such as a muster dashboard's, not the fleet of a folder: http://127.0.0.1:8081."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// errNoControl is why there is nobody to ask in a fleet that runs.
var errNoControl = errors.New("control does not run now: see muster ps and muster logs control")

// find finds control: as the supervisor knows it, or as it tells services where it is,
// where it has the engines inside.
func (c controlFlags) find(ctx context.Context) (*see.Client, error) {
	if c.URL != "" {
		client, err := see.NewClient(c.URL)
		if err != nil {
			return nil, usagef("--url: %w", err)
		}
		return client, nil
	}
	st, err := answered(ctx, c.fleetDir, patience, (*ctl.Client).Status)
	if errors.Is(err, ctl.ErrNoFleet) {
		return nil, fmt.Errorf("%w, or say with --url where control or a muster dashboard is", err)
	} else if err != nil {
		return nil, err
	}
	for _, e := range st.Engines {
		if e.Service == "control" && e.Port != 0 {
			return see.NewClient(fmt.Sprintf("http://127.0.0.1:%d", e.Port))
		}
	}
	for _, s := range st.Services {
		env, err := answered(ctx, c.fleetDir, patience, func(client *ctl.Client, ctx context.Context) (map[string]string, error) {
			return client.Environment(ctx, s.Name)
		})
		if url := env["MUSTER_REGISTRY_URL"]; err == nil && url != "" {
			return see.NewClient(url)
		}
	}
	return nil, errNoControl
}

// meant finds control and the trace that a person means; see see.Client.Meant.
func (c controlFlags) meant(ctx context.Context, text string) (client *see.Client, id signal.TraceID, err error) {
	if _, err := signal.ParseTraceID(text); err != nil {
		return nil, id, usagef("%q is no trace id: %w", text, err)
	} else if len(text) < 4 {
		return nil, id, usagef("%q are too few digits of a trace id: give 4 or more", text)
	}
	if client, err = c.find(ctx); err != nil {
		return nil, id, err
	}
	if id, err = client.Meant(ctx, text); err != nil {
		return nil, id, plain(err)
	}
	return client, id, nil
}

// screen is where people read what a verb prints.
func (t terminal) screen() see.Screen {
	w := t.out
	if o, ok := w.(*outlet); ok {
		w = o.w
	}
	f, _ := w.(*os.File) // nil: something else
	return see.NewScreen(t.out, f, os.Getenv)
}

// note tells a person something beside what was asked for.
func (t terminal) note(text string) { _, _ = fmt.Fprintln(t.err, "note:", text) }
