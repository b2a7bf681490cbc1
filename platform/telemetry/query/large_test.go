package query_test

import (
	"context"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// endless is a store one of whose traces is too large to be read.
type endless struct {
	signal.Store
	large signal.TraceID
}

func (e endless) Trace(ctx context.Context, id signal.TraceID) ([]signal.Span, error) {
	if id == e.large {
		return nil, signal.ErrLarge
	}
	return e.Store.Trace(ctx, id)
}

// A trace that is too large costs itself, and nobody who looks at others.
func TestATraceThatIsTooLarge(t *testing.T) {
	_, memory := filled()
	a := query.New(query.Config{Store: endless{memory, traceID(5)}, Now: at(noon)})
	if status, got := get(t, a, "/v1/telemetry/traces/5"); status == 200 || !strings.Contains(got, "more than 500000 spans") {
		t.Errorf("itself: %d %s", status, got)
	}
	_, all := get(t, query.New(query.Config{Store: memory, Now: at(noon)}), "/v1/telemetry/traces")
	status, got := get(t, a, "/v1/telemetry/traces")
	if want := strings.Count(all, `"trace":`); status != 200 || strings.Count(got, `"trace":`) != want || strings.Count(got, "too large to be shown") != 1 {
		t.Errorf("among %d others: %d %s", want, status, got)
	}
	if status, got := get(t, a, "/v1/telemetry/why/14"); status != 200 {
		t.Errorf("beside another: %d %s", status, got)
	}
}
