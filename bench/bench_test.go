package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const report = `Running 10s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Latency Distribution
     50%    1.02ms
     99%    4.56ms
  123456 requests in 10.00s, 50.00MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 7
Requests/sec:  12345.60
Transfer/sec:      5.00MB
`

func TestParseWrk(t *testing.T) {
	w, err := parseWrk(report)
	if err != nil {
		t.Fatal(err)
	}
	if w.requests != 123456 || w.perSecond != 12345.6 || w.bad != 10 || w.p99 != 4560*time.Microsecond {
		t.Errorf("%+v", w)
	}
	if _, err := parseWrk("wrk: unable to connect"); err == nil {
		t.Error("nonsense was understood")
	}
}

func TestSectionIsReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := os.WriteFile(file, []byte("# Benchmarks\n\n<!-- begin other -->\nx\n<!-- end other -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range []float64{1, 2} {
		r := &result{name: "b", title: "B", figures: []*figure{{what: "w", unit: "s", values: []float64{v}, target: "< 2", holds: func(v float64) bool { return v < 2 }}}}
		if r.held() != (v == 1) {
			t.Errorf("held() = %v at %v", r.held(), v)
		}
		if err := r.writeInto(file); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if strings.Count(text, "begin b") != 1 || !strings.Contains(text, "| w | 2 s |") || !strings.Contains(text, "begin other") || !strings.Contains(text, "**no**") {
		t.Error(text)
	}
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{2: {3, 1, 2}, 2.5: {4, 1, 2, 3}} {
		if got := (&figure{values: values}).median(); got != want {
			t.Errorf("median(%v) = %v", values, got)
		}
	}
}
