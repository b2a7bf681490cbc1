package translate_test

import (
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
)

// What panics on its way costs its request and keeps nobody waiting.
func TestAPanicGivesItsTurnBack(t *testing.T) {
	tr := translator()
	send := func(yield func(*sample.Point)) (panicked bool) {
		defer func() { panicked = recover() != nil }()
		tr.Points(otlptest.Request("a", "", otlptest.Sum("c", "", true, otlptest.Delta, otlptest.Number(now, 2))), now, yield, func(string, sample.Meta) {})(true)
		return false
	}
	if !send(func(*sample.Point) { panic("out of order") }) {
		t.Error("the panic was kept from the caller")
	}
	next := make(chan bool, 1)
	go func() { next <- send(func(*sample.Point) {}) }()
	select {
	case panicked := <-next:
		if panicked {
			t.Error("the next panicked too")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the next waits for ever")
	}
}
