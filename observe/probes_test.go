package observe_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/observe"
)

// Each check has 2 s of its own: a slow one takes none of the others'.
func TestChecksDoNotShareTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p observe.Probes
		p.Started(false)
		for _, name := range []string{"slow", "slower"} {
			p.Add(name, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		}
		p.Add("well", func(ctx context.Context) error {
			time.Sleep(1900 * time.Millisecond)
			return ctx.Err()
		})
		began := time.Now()
		missing := p.Ready(t.Context())
		if len(missing) != 2 || missing["well"] != "" {
			t.Errorf("missing: %v", missing)
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestPanicOfACheckIsMissing(t *testing.T) {
	var p observe.Probes
	p.Started(false)
	p.Add("bad", func(context.Context) error { panic("boom") })
	if missing := p.Ready(t.Context()); !strings.Contains(missing["bad"], "boom") {
		t.Errorf("missing: %v", missing)
	}
}
