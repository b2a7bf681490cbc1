//go:build !race

package diagnose_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// A large trace beside thirty others is explained while a person waits; under the race
// detector, which is for more than one goroutine, it would take thirty times as long.
func TestLarge(t *testing.T) {
	grown := func(id byte, n int) *tree.Tree {
		g := &trace{id: id}
		g.add(0, "x", "root", signal.Server, 0, float64(n))
		for i := 1; i < n; i++ {
			g.add(1, "x", "SELECT", signal.Client, float64(i), float64(i)+0.5, attr("db.query.text", fmt.Sprintf("SELECT %d", i)))
		}
		return tree.Build(g.spans)
	}
	var others []*tree.Tree
	for i := range 30 {
		others = append(others, grown(byte(2+i), 2000))
	}
	one := grown(1, 60_000)
	began := time.Now()
	a := diagnose.Why(one, others)
	t.Logf("%v: %s", time.Since(began), a.Sentence)
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}
