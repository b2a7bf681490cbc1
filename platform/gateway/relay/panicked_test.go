package relay_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/snapshot"
)

// faulty panics at each request.
type faulty struct{}

func (faulty) Request(context.Context, *filter.Request) error { panic("a mistake") }

// A filter that panics ends its request and the connection, and nothing else: the request is
// logged and in flight no more, and the next one is served.
func TestAFilterThatPanics(t *testing.T) {
	e := newEdge(t, nil, handled(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") }))
	doc, err := snapshot.Parse([]byte(`{"routes":[{"path":"/","service":"a"},{"path":"/bad","service":"a","filters":["f"]}],"filters":{"f":{"kind":"faulty"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	s, err := snapshot.Compile(t.Context(), doc, nil, snapshot.Config{Makers: map[string]filter.Maker{
		"faulty": func(context.Context, filter.Env, json.RawMessage) (filter.Filter, error) { return faulty{}, nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	e.gateway.Use(s)
	c, r := dial(t, e.own)
	_, _ = io.WriteString(c, "GET /bad HTTP/1.1\r\nHost: x\r\n\r\n")
	if a := answer(r, "GET"); a.err == nil {
		t.Errorf("it was answered: %+v", a)
	}
	c, r = dial(t, e.own)
	_, _ = io.WriteString(c, "GET /good HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if a := answer(r, "GET"); a.status != 200 || a.body != "well" {
		t.Errorf("the next: %+v", a)
	}
	lines := e.lines() // which looks that none is in flight
	if len(lines) != 2 || !strings.Contains(lines[0], `"path":"/bad","status":500`) || !strings.Contains(lines[0], "panicked") {
		t.Errorf("logged: %q", lines)
	}
}
