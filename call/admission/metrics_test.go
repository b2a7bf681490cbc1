package admission

import (
	"fmt"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/musterdev/muster/call/resilience"
)

func TestReport(t *testing.T) {
	c := full(t)
	if _, err := c.Admit(t.Context(), resilience.Low); err == nil {
		t.Fatal("there is no room")
	}
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	if err := c.Report(provider.Meter("test")); err != nil {
		t.Fatal(err)
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		for _, point := range m.Data.(metricdata.Sum[int64]).DataPoints {
			priority, _ := point.Attributes.Value("muster.priority")
			outcome, _ := point.Attributes.Value("muster.admission.outcome")
			got[fmt.Sprint(m.Name, " ", priority.AsString(), " ", outcome.AsString())] = point.Value
		}
	}
	for name, want := range map[string]int64{
		"muster.admission.in_flight  ": 4, "muster.admission.limit  ": 4, "muster.admission.waiting  ": 0,
		"muster.admission.calls normal admitted": 4, "muster.admission.calls low waited": 1, "muster.admission.calls critical admitted": 0,
	} {
		if n, ok := got[name]; !ok || n != want {
			t.Errorf("%q is %d (%v), want %d", name, n, ok, want)
		}
	}
}
