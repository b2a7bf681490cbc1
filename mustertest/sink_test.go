package mustertest_test

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collect "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// span is what the tests look at.
type span struct {
	trace, id, parent string
	service, name     string
	kind              int // as OTLP numbers them
	failed            bool
	attributes        map[string]string
}

// sink takes OTLP: protobuf from Go, JSON from Node.
type sink struct {
	url string

	mu    sync.Mutex
	spans []span
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v1/traces" {
			return
		}
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			err = s.addJSON(body)
		} else {
			err = s.add(body)
		}
		if err != nil {
			t.Errorf("%s: %v", body, err)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *sink) add(body []byte) error {
	var req collect.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		service := texts(rs.GetResource().GetAttributes())["service.name"]
		for _, ss := range rs.GetScopeSpans() {
			for _, sp := range ss.GetSpans() {
				s.spans = append(s.spans, span{
					trace: hex.EncodeToString(sp.GetTraceId()), id: hex.EncodeToString(sp.GetSpanId()), parent: hex.EncodeToString(sp.GetParentSpanId()),
					service: service, name: sp.GetName(), kind: int(sp.GetKind()), failed: sp.GetStatus().GetCode() == 2, attributes: texts(sp.GetAttributes()),
				})
			}
		}
	}
	return nil
}

func texts(list []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, kv := range list {
		all[kv.GetKey()] = strings.Trim(strings.TrimPrefix(kv.GetValue().String(), "string_value:"), `"`)
	}
	return all
}

func (s *sink) addJSON(body []byte) error {
	type attributes []struct {
		Key   string
		Value struct{ StringValue string }
	}
	var req struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes attributes }
			ScopeSpans []struct {
				Spans []struct {
					TraceID      string `json:"traceId"`
					SpanID       string `json:"spanId"`
					ParentSpanID string `json:"parentSpanId"`
					Name         string
					Kind         int
					Attributes   attributes
				}
			}
		}
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rs := range req.ResourceSpans {
		service := ""
		for _, a := range rs.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.StringValue
			}
		}
		for _, ss := range rs.ScopeSpans {
			for _, sp := range ss.Spans {
				s.spans = append(s.spans, span{trace: sp.TraceID, id: sp.SpanID, parent: sp.ParentSpanID, service: service, name: sp.Name, kind: sp.Kind})
			}
		}
	}
	return nil
}

// of returns the spans of a trace.
func (s *sink) of(trace string) []span {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []span
	for _, sp := range s.spans {
		if sp.trace == trace {
			list = append(list, sp)
		}
	}
	return list
}

// services returns who has spans in a list.
func services(list []span) []string {
	var names []string
	for _, sp := range list {
		if !slices.Contains(names, sp.service) {
			names = append(names, sp.service)
		}
	}
	slices.Sort(names)
	return names
}
