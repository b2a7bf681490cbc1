package otlp_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

func gauge(service string, points int) *metricspb.ResourceMetrics {
	return &metricspb.ResourceMetrics{Resource: resource(service), ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{
		{Name: "g", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: make([]*metricspb.NumberDataPoint, points)}}},
	}}}}
}

func TestMetrics(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		status int
		want   otlp.Count
	}{
		{"fine", nil, 200, otlp.Count{Received: 11, Stored: 10, Dropped: map[string]int64{otlp.DropRejected: 1}}},
		{"broken", errors.New("broken"), 200, otlp.Count{Received: 11, Stored: 5, Dropped: map[string]int64{otlp.DropRejected: 1, otlp.DropFailed: 5}}},
		{"full", signal.ErrFull, 503, otlp.Count{Received: 3, Stored: 2, Dropped: map[string]int64{otlp.DropRejected: 1}, Returned: 8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &otlp.Receiver{Metrics: func(_ context.Context, req *collectmetrics.ExportMetricsServiceRequest) (int64, string, error) {
				switch req.ResourceMetrics[0].Resource.Attributes[0].Value.GetStringValue() {
				case "a":
					return 1, "too many series", nil
				case "b":
					return 0, "", tt.err
				}
				return 0, "", nil
			}}
			req := &collectmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{gauge("a", 1), gauge("b", 5), gauge("a", 2), gauge("c", 3)}}
			for _, rm := range req.ResourceMetrics {
				for i := range rm.ScopeMetrics[0].Metrics[0].GetGauge().DataPoints {
					rm.ScopeMetrics[0].Metrics[0].GetGauge().DataPoints[i] = &metricspb.NumberDataPoint{TimeUnixNano: 1}
				}
			}
			res, answer := post(t, r.Handler(), "/v1/metrics", raw(t, req))
			var got collectmetrics.ExportMetricsServiceResponse
			if res.StatusCode == 200 {
				if err := proto.Unmarshal(answer, &got); err != nil || !strings.Contains(got.GetPartialSuccess().GetErrorMessage(), "too many series") {
					t.Errorf("answer %v, %v", &got, err)
				}
			}
			c := r.Counts()
			balanced(t, c)
			if res.StatusCode != tt.status || !reflect.DeepEqual(c.Signals[otlp.Points], tt.want) {
				t.Errorf("%s, %+v, by service %+v", res.Status, c.Signals[otlp.Points], c.Services)
			}
		})
	}
	t.Run("too many", func(t *testing.T) {
		r := &otlp.Receiver{Limits: otlp.Limits{Items: 10}, Metrics: func(context.Context, *collectmetrics.ExportMetricsServiceRequest) (int64, string, error) {
			t.Error("they came through")
			return 0, "", nil
		}}
		rm := gauge("a", 11)
		for i := range 11 {
			rm.ScopeMetrics[0].Metrics[0].GetGauge().DataPoints[i] = &metricspb.NumberDataPoint{}
		}
		res, _ := post(t, r.Handler(), "/v1/metrics", raw(t, &collectmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{rm}}))
		if c := r.Counts(); res.StatusCode != 413 || c.Signals[otlp.Points].Dropped[otlp.DropMany] != 11 {
			t.Errorf("%s, %+v", res.Status, c)
		}
	})
	t.Run("bad UTF-8", func(t *testing.T) {
		var name string
		r := &otlp.Receiver{Metrics: func(_ context.Context, req *collectmetrics.ExportMetricsServiceRequest) (int64, string, error) {
			name = req.ResourceMetrics[0].ScopeMetrics[0].Metrics[0].Name
			return 0, "", nil
		}}
		rm := gauge("a", 0)
		rm.ScopeMetrics[0].Metrics[0].Name = "cafe"
		bad := strings.ReplaceAll(string(raw(t, &collectmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{rm}})), "cafe", "caf\xff")
		if res, _ := post(t, r.Handler(), "/v1/metrics", []byte(bad)); res.StatusCode != 200 || name != "caf\uFFFD" {
			t.Errorf("%s, %q", res.Status, name)
		}
	})
}
