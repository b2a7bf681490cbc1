package resilience_test

import (
	"context"
	"strings"
	"testing"

	"github.com/musterdev/muster/call/resilience"
)

func TestPriorityText(t *testing.T) {
	for i, name := range []string{"critical", "high", "normal", "low"} {
		p := resilience.Priority(i)
		if p.String() != name {
			t.Errorf("%d: %q, want %q", i, p, name)
		}
		var back resilience.Priority
		if text, err := p.MarshalText(); err != nil || back.UnmarshalText(text) != nil || back != p {
			t.Errorf("%s does not survive its text", p)
		}
	}
	for _, text := range []string{"", "Critical", "0", "urgent", strings.Repeat("x", 1e6)} {
		p, err := resilience.ParsePriority(text)
		if err == nil || p != resilience.Normal || len(err.Error()) > 200 {
			t.Errorf("%.20q: %s, %v", text, p, err)
		}
		set := resilience.High
		if set.UnmarshalText([]byte(text)) == nil || set != resilience.High {
			t.Errorf("%.20q was taken, or changed what was there", text)
		}
	}
	if got := resilience.Priority(200); got.Class() != resilience.Low || got.String() != "low" {
		t.Errorf("a number that is no class is %s", got)
	}
}

func TestPriorityTravels(t *testing.T) {
	ctx := context.Background()
	if got := resilience.PriorityOf(ctx); got != resilience.Normal {
		t.Errorf("without one: %s", got)
	}
	ctx = resilience.WithPriority(ctx, resilience.Critical)
	if got := resilience.PriorityOf(ctx); got != resilience.Critical {
		t.Errorf("with one: %s", got)
	}
	if got := resilience.PriorityOf(resilience.WithPriority(ctx, 9)); got != resilience.Low {
		t.Errorf("with no class: %s", got)
	}
}
