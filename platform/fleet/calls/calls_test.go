package calls_test

import (
	"testing"
	"time"

	"github.com/musterdev/muster/platform/fleet/calls"
	"github.com/musterdev/muster/strictyaml"
)

// A route is without a policy of its service where it switches that off.
func TestSwitchedOff(t *testing.T) {
	const text = `
timeout: 2s
breaker: {min_calls: 5}
bulkhead: {max: 7}
hedge: {}
fallback: {value: x}
routes:
  GET /off: {breaker: off, bulkhead: off, hedge: off, fallback: off}
  GET /null: {breaker: null, fallback: ~, timeout: 1s}
`
	var errs strictyaml.Collector
	s, ok := calls.Read(strictyaml.Parse("muster.yaml", []byte(text), &errs))
	if !ok || errs.Err() != nil {
		t.Fatal(errs.Err())
	}
	off, null := s.Routes["GET /off"].Settings, s.Routes["GET /null"].Settings
	if off.Breaker != nil || off.Bulkhead != nil || off.Hedge != nil || off.Fallback != nil || off.Timeout != 2*time.Second {
		t.Errorf("off: %+v", off)
	}
	if null.Breaker != nil || null.Fallback != nil || null.Bulkhead == nil || null.Hedge == nil || null.Timeout != time.Second {
		t.Errorf("null: %+v", null)
	}
	if s.Settings.Breaker == nil || s.Settings.Fallback == nil {
		t.Errorf("the service lost its own: %+v", s.Settings)
	}
}
