package muster_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/call/seen"
)

// How the calls of a service stand can be asked of one that has no room for anything
// else, and says that it turned calls away.
func TestCallsAreSeenOfABusyService(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	back := muster.Service{Name: "back", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(began); <-end }))
		return app.Serve(ctx)
	}}
	front := muster.Service{Name: "front", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://back/", http.NoBody)
			res, err := app.Client("back").Do(req)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			_ = res.Body.Close()
		}))
		return app.Serve(ctx)
	}}
	r := start(t, []muster.Service{back, front}, muster.Admission(admission.Config{Min: 1, Initial: 1, Max: 1}))
	see := func() (s seen.Process) {
		t.Helper()
		code, text := fetch(t, r.url("front", seen.Path))
		if err := json.Unmarshal([]byte(text), &s); code != http.StatusOK || err != nil {
			t.Fatalf("got %d %s: %v", code, text, err)
		}
		return s
	}
	if s := see(); s.Service != "front" || s.Instance == "" || len(s.Calls) != 0 || len(s.Unusual()) != 0 {
		t.Errorf("before anything happened: %+v", s)
	}
	answered := make(chan int)
	go func() {
		code, _ := fetch(t, r.url("front", "/"))
		answered <- code
	}()
	<-began
	res, err := http.Get(r.url("front", "/"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.Header.Get(resilience.ShedHeader) == "" {
		t.Errorf("the second got %d", res.StatusCode)
	}
	s := see()
	if s.Admission.InFlight != 1 || s.Admission.Turned() != 1 || len(s.Unusual()) == 0 {
		t.Errorf("while it is busy: %+v", s.Admission)
	}
	if len(s.Calls) != 1 || s.Calls[0].Service != "back" || s.Calls[0].Instances[0].InFlight != 1 {
		t.Errorf("while it calls: %+v", s.Calls)
	}
	close(end)
	if code := <-answered; code != http.StatusOK {
		t.Errorf("answered %d", code)
	}
	if s := see(); s.Calls[0].Routes[0].Calls != 1 || s.Calls[0].Routes[0].Attempts.OK != 1 || s.Admission.InFlight != 0 {
		t.Errorf("afterwards: %+v", s.Calls[0].Routes[0])
	}
}
