package scene

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/ops"
)

// TestMapFits shows every service of the map on every screen, large enough to be read,
// callers before those they call.
func TestMapFits(t *testing.T) {
	b := open(t)
	for _, width := range []int64{320, 390, 600, 768, 1024, 1440} {
		b.look(width, 900, "light")
		b.visit("/map?window=15m")
		out := eval[[]string](b, `(() => {
			const box = document.querySelector('.map-box').getBoundingClientRect();
			return [...document.querySelectorAll('.map-node')].filter((n) => {
				const r = n.querySelector('.card').getBoundingClientRect();
				return r.left < box.left || r.right > box.right || r.top < box.top || r.bottom > box.bottom;
			}).map((n) => n.querySelector('.title').textContent);
		})()`)
		if len(out) > 0 {
			t.Errorf("at %d px %v are not on the map", width, out)
		}
		if px := eval[float64](b, `document.querySelector('.map-node .title').getBoundingClientRect().height`); px < 9 {
			t.Errorf("at %d px a name is %.1f px high", width, px)
		}
		apart := eval[[]string](b, `(() => {
			const all = [...document.querySelectorAll('.map-node .card')].map((c) => c.getBoundingClientRect());
			return all.flatMap((a, i) => all.slice(i + 1).filter((c) => a.left < c.right && c.left < a.right && a.top < c.bottom && c.top < a.bottom).map((c) => a.left + ',' + a.top));
		})()`)
		if len(apart) > 0 {
			t.Errorf("at %d px boxes lie on each other at %v", width, apart)
		}
		order := eval[bool](b, `(() => {
			const at = (name) => [...document.querySelectorAll('.map-node')].find((n) => n.querySelector('.title').textContent.trim() === name).getBoundingClientRect();
			return ['user', 'edge', 'orders', 'payments', 'card'].every((n, i, l) => i === 0 || at(l[i - 1]).right <= at(n).left || at(l[i - 1]).bottom <= at(n).top);
		})()`)
		if !order {
			t.Errorf("at %d px a caller stands behind whom it calls", width)
		}
	}
	b.clean()
}

// TestSlowestTraces lists the slowest first: traces as a whole, or the spans of a service.
func TestSlowestTraces(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	first := `document.querySelector('a.row-link').pathname`
	b.visit("/traces?range=1h")
	b.run(pressed("Slowest"))
	b.until("the longest request is the first", first+` === '/traces/`+reportTrace()+`'`)
	b.visit("/traces?range=1h&service=card&sort=slowest")
	b.until("the longest span is the first", first+` === '/traces/`+slowTrace()+`'`)
	b.says("4.21\u00a0s")
	b.clean()
}

// TestSagasOfMany asks the server for those of a state, so that one that stopped long ago
// is found behind hundreds that were completed since, and counts all that there are.
func TestSagasOfMany(t *testing.T) {
	b := open(t)
	var all []ops.Saga
	for i := range 400 {
		s := ops.Saga{Service: "orders", Entry: saga.Entry{Name: "checkout", ID: fmt.Sprintf("p-%05d", i), Version: 1, State: saga.Completed, Step: "end", Created: before(time.Hour), Updated: before(time.Hour), Loadable: true}}
		if i == 399 {
			s.State, s.Step, s.Error = saga.Paused, "ship", "no carrier ships to “Atlantis”"
		}
		all = append(all, s)
	}
	b.stage.addSagas(all...)
	b.look(1440, 900, "light")
	b.visit("/sagas")
	b.says("the last 200 that changed, of 450")
	tallies := func() string {
		return eval[string](b, `[...document.querySelectorAll('.segmented button')].map((e) => e.textContent).join(' ')`)
	}
	const want = "All Paused2 Compensating1 Waiting1 Running1 Completed441 Compensated4"
	if got := tallies(); got != want {
		t.Errorf("the states are %s, not %s", got, want)
	}
	b.run(pressed("Paused"))
	b.says("p-00399")
	b.soon(`document.querySelectorAll('tbody tr[data-row]').length === 2`)
	if got := tallies(); got != want {
		t.Errorf("with one chosen the states are %s, not %s", got, want)
	}
	// A text is looked for beyond those that are shown without one.
	b.visit("/sagas?q=atlantis")
	b.soon(`document.querySelectorAll('tbody tr[data-row]').length === 1`)
	b.says("p-00399")
	b.clean()
}
