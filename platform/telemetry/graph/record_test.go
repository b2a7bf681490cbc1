package graph

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Who asks for what there is not has failed; who says so has not.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		kind       signal.Kind
		key, value string
		failed     bool
	}{
		"client, 404":          {signal.Client, "http.response.status_code", "404", false},
		"client, 503":          {signal.Client, "http.response.status_code", "503", true},
		"client, no answer":    {signal.Client, "", "", true},
		"server, 500":          {signal.Server, "http.response.status_code", "500", true},
		"client, NOT_FOUND":    {signal.Client, "rpc.response.status_code", "NOT_FOUND", false},
		"client, code 5":       {signal.Client, "rpc.grpc.status_code", "5", false},
		"client, UNAVAILABLE":  {signal.Client, "rpc.response.status_code", "UNAVAILABLE", true},
		"client, old HTTP 409": {signal.Client, "http.status_code", "409", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := signal.Span{Service: "a", Kind: c.kind, Status: signal.Error}
			if c.key != "" {
				s.Attributes = signal.Attributes{{Key: c.key, Value: signal.StringValue(c.value)}}
			}
			if r := New(Config{}).record(&s, 0); r.failed != c.failed {
				t.Errorf("failed = %v", r.failed)
			}
		})
	}
}

// A span that was kept for its failure is on the map and in no figure.
func TestKeptHasNoWeight(t *testing.T) {
	s := signal.Span{Service: "a", State: "ot=th:c", Attributes: signal.Attributes{{Key: "muster.kept", Value: signal.StringValue("error")}}}
	s.Trace[0], s.ID[0], s.Kind, s.Name, s.Start = 1, 1, signal.Server, "GET /", time.Now().UnixNano()
	g := New(Config{})
	g.Add([]signal.Span{s})
	m := g.Map(time.Minute)
	if _, err := json.Marshal(m); err != nil || len(m.Nodes) != 2 || m.Nodes[0].Rate != 0 || m.Nodes[0].Errors != 0 {
		t.Errorf("%+v %v", m, err)
	}
}
