package muster_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
)

// A service that has no room says so before it has done anything, and its probes answer
// all the same; the priority of the work reaches its handlers.
func TestServiceTurnsAwayWhatItCannotDo(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	service := muster.Service{Name: "busy", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/work", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(began); <-end }))
		app.Handle("/priority", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, resilience.PriorityOf(r.Context()).String())
		}))
		return app.Serve(ctx)
	}}
	r := start(t, []muster.Service{service}, muster.Admission(admission.Config{Min: 1, Initial: 1, Max: 1}))
	answered := make(chan int)
	go func() {
		code, _ := fetch(t, r.url("busy", "/work"))
		answered <- code
	}()
	<-began
	res, err := http.Get(r.url("busy", "/priority"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || res.Header.Get(resilience.ShedHeader) == "" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	if code, _ := fetch(t, r.url("busy", "/livez")); code != http.StatusOK {
		t.Errorf("a probe is answered %d", code)
	}
	close(end)
	if code := <-answered; code != http.StatusOK {
		t.Errorf("what was let in is answered %d", code)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url("busy", "/priority"), nil)
	req.Header.Set(resilience.PriorityHeader, "critical")
	if res, err = http.DefaultClient.Do(req); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); string(b) != "critical" {
		t.Errorf("the handler sees the priority %q", b)
	}
}

func TestAdmissionIsChecked(t *testing.T) {
	err := muster.Run(t.Context(), []muster.Service{hello("/", "")}, env(), muster.Admission(admission.Config{Min: -1}))
	if err == nil {
		t.Error("a limit of -1 was taken")
	}
}
