package fault_test

import (
	"io"
	"testing"

	"github.com/musterdev/muster/platform/drill/fault"
)

// What a clean proxy costs a round trip, beside none.
func BenchmarkRoundTrip(b *testing.B) {
	target := serve(b, echo)
	p, err := fault.NewProxy(fault.ProxyConfig{Target: target})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for name, addr := range map[string]string{"bare": target, "proxy": p.Addr()} {
		b.Run(name, func(b *testing.B) {
			c, word := dial(b, addr), make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Write(word); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, word); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
