package local_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/supervise/event"
)

// A service that cannot keep to the limits of the file is told of, once.
func TestLimitsOfAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	text := func(web, other string) string {
		return "fleet: f\nservices: {web: {run: SERVE, calls: " + web + "}, other: {run: SERVE, calls: " + other + "}}"
	}
	var (
		mu   sync.Mutex
		told []string
	)
	const limits = "{limits: {default: 5/s}}"
	up, err := local.Start(t.Context(), local.Config{Fleet: load(t, dir, text(limits, "{}")), Single: true, Events: func(e event.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == event.LimitsOff && strings.Contains(e.Detail, "nobody is turned away") {
			told = append(told, e.Service)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := up.Stop(); err != nil {
			t.Error(err)
		}
	}()
	is := func(want ...string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(told, want) {
			t.Errorf("told of %v, want %v", told, want)
		}
	}
	is("web")
	for _, next := range []struct{ web, other string }{{limits, "{}"}, {limits, limits}, {"{}", "{}"}, {limits, "{}"}} {
		if err := up.Reload(t.Context(), load(t, dir, text(next.web, next.other))); err != nil {
			t.Fatal(err)
		}
	}
	is("web", "other", "web")
}
