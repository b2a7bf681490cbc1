package running

import (
	"context"
	"errors"
	"fmt"

	"github.com/musterdev/muster/platform/cmd/muster/see"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/supervise/ctl"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Control say whose telemetry is asked for.
type Control struct {
	Fleet
	URL  string `name:"url" placeholder:"URL" help:"Ask at this address, such as a muster dashboard's, not the fleet of a folder: http://127.0.0.1:8081."`
	JSON bool   `name:"json" help:"Print JSON."`
}

// errNoControl is why there is nobody to ask in a fleet that runs.
var errNoControl = errors.New("control does not run now: see muster ps and muster logs control")

// find finds control: as the supervisor knows it, or as it tells services where it is,
// where it has the engines inside.
func (c Control) find(ctx context.Context) (*see.Client, error) {
	if c.URL != "" {
		client, err := see.NewClient(c.URL)
		if err != nil {
			return nil, terminal.Usagef("--url: %w", err)
		}
		return client, nil
	}
	st, err := c.Status(ctx)
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
		env, err := answered(ctx, c.Fleet, patience, func(client *ctl.Client, ctx context.Context) (map[string]string, error) {
			return client.Environment(ctx, s.Name)
		})
		if url := env["MUSTER_REGISTRY_URL"]; err == nil && url != "" {
			return see.NewClient(url)
		}
	}
	return nil, errNoControl
}

// meant finds control and the trace that a person means; see see.Client.Meant.
func (c Control) meant(ctx context.Context, text string) (client *see.Client, id signal.TraceID, err error) {
	if _, err := signal.ParseTraceID(text); err != nil {
		return nil, id, terminal.Usagef("%q is no trace id: %w", text, err)
	} else if len(text) < 4 {
		return nil, id, terminal.Usagef("%q are too few digits of a trace id: give 4 or more", text)
	}
	if client, err = c.find(ctx); err != nil {
		return nil, id, err
	}
	if id, err = client.Meant(ctx, text); err != nil {
		return nil, id, terminal.Plain(err)
	}
	return client, id, nil
}
