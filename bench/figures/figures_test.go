package figures

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSectionIsReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	if err := os.WriteFile(file, []byte("# Benchmarks\n\n<!-- begin other -->\nx\n<!-- end other -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range []float64{1, 2} {
		r := &Result{Name: "b", Title: "B", Figures: []*Figure{{What: "w", Unit: "s", Values: []float64{v}, Target: "< 2", Holds: func(v float64) bool { return v < 2 }}}}
		if r.Held() != (v == 1) {
			t.Errorf("Held() = %v at %v", r.Held(), v)
		}
		if err := r.WriteInto(file); err != nil {
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
		if got := (&Figure{Values: values}).Median(); got != want {
			t.Errorf("median(%v) = %v", values, got)
		}
	}
}
