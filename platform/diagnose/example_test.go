package diagnose_test

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// One order took far longer than the others, because of the card's service.
func ExampleWhy() {
	order := func(number byte, card time.Duration) *tree.Tree {
		ms := int64(time.Millisecond)
		id := signal.TraceID{15: number}
		return tree.Build([]signal.Span{
			{Trace: id, ID: [8]byte{1}, Service: "edge", Name: "POST /v1/orders", Kind: signal.Server, Duration: 30*ms + int64(card)},
			{Trace: id, ID: [8]byte{2}, Parent: [8]byte{1}, Service: "card", Name: "POST /v1/charges", Kind: signal.Server, Start: 20 * ms, Duration: int64(card)},
		})
	}
	var others []*tree.Tree
	for i := range 20 {
		others = append(others, order(byte(i), time.Duration(10+i%5)*time.Millisecond))
	}
	fmt.Println(diagnose.Why(order(99, 4200*time.Millisecond), others).Sentence)
	// Output:
	// 4.2 s of 4.23 s were spent in card: POST /v1/charges, which usually takes 12 ms.
}
