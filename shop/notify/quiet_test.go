package notify_test

import (
	"net/http"
	"testing"

	"github.com/musterdev/muster/problem"
)

// Muster asks every service for what only those of its library have: notify has none of it,
// and its log has no warnings of that.
func TestWhatMusterLooksForIsNoNews(t *testing.T) {
	p := start(t, t.TempDir())
	for _, path := range []string{"/.muster/sagas?limit=1", "/.muster/outbox"} {
		a, err := p.post(t.Context(), event{method: http.MethodGet, path: path})
		if err != nil || a.status != http.StatusNotFound || problem.CodeOf(a.problem) != problem.NotFound {
			t.Errorf("%s: %+v, %v", path, a, err)
		}
	}
	if _, err := p.post(t.Context(), event{method: http.MethodGet, path: "/another"}); err != nil {
		t.Fatal(err)
	}
	p.logged(t, "an event was refused")
	n := 0
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.log {
		if e.Msg == "an event was refused" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("its log tells of %d refusals: %+v", n, p.log)
	}
}
