package scene

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Two days of metrics are drawn within half a second of the click.
func TestMetricsOfTwoDays(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	within := bound(500 * time.Millisecond)
	drawn := least(within, func() time.Duration {
		b.visit("/explore?q=process_memory_usage_bytes&range=1h&refresh=off")
		return millis(eval[float64](b, `(async () => {
			const began = performance.now();
			[...document.querySelectorAll('.timerange button')].find((b) => b.textContent === '48h').click();
			while (!document.querySelector('.graph-foot')?.textContent.startsWith('10 May') && performance.now() - began < 15000) await new Promise(requestAnimationFrame);
			await new Promise(requestAnimationFrame);
			return performance.now() - began;
		})()`))
	})
	t.Logf("48 hours of 8 series drawn in %v", drawn.Round(time.Millisecond))
	if drawn > within {
		t.Errorf("48 hours were drawn in %v, not within %v", drawn, within)
	}
	if n := eval[int](b, `document.querySelectorAll('button.series').length`); n != 8 {
		t.Errorf("the table beside the chart has %d series", n)
	}
	b.clean()
}

// What is wrong with a query is told, with its place, while it is typed and when it was
// run; other queries are drawn beside it.
func TestQueryErrors(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "dark")
	b.visit("/explore?q=go_goroutine_count&refresh=off")
	b.run(chromedp.Focus("textarea"))
	b.press(kb.End)
	b.run(chromedp.SendKeys("textarea", " + )"))
	b.until("it is told before it is run", `document.querySelector('.promql-error')?.textContent.startsWith('Column 23:')`)
	if !eval[bool](b, `!!document.querySelector('.q-wrong')`) {
		t.Error("the place is not marked")
	}
	b.press(kb.Escape, kb.Enter)

	b.visit("/explore?q=sum+by+(job+(go_goroutine_count)&q=go_goroutine_count&refresh=off")
	b.until("the wrong one says so", `document.querySelector('.query .promql-error')?.textContent.startsWith('Column')`)
	b.until("the right one is drawn", `document.querySelectorAll('button.series').length === 8 && !!document.querySelector('.chart canvas')`)
}

// Metrics, labels and values are completed; the keys choose; running puts the query into
// the address.
func TestCompletion(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/explore?refresh=off")
	chosen := func(text string) {
		b.t.Helper()
		b.until(text+" is suggested first", `document.querySelector('.promql-list:not([hidden]) [aria-selected=true] .promql-item')?.textContent === '`+text+`'`)
	}
	b.search("goroutine_c")
	chosen("go_goroutine_count")
	b.press(kb.Tab)
	b.run(chromedp.SendKeys("textarea", "{jo"))
	chosen("job")
	b.press(kb.Tab)
	b.until("values are suggested", `document.querySelectorAll('.promql-list:not([hidden]) li').length === 8`)
	b.run(chromedp.SendKeys("textarea", "pay"))
	chosen("payments")
	b.press(kb.Tab)
	b.run(chromedp.SendKeys("textarea", "}"))
	b.until("it is whole", `document.querySelector('textarea').value === 'go_goroutine_count{job="payments"}'`)
	b.press(kb.Escape)
	b.run(chromedp.Focus("textarea"))
	b.press(kb.Enter)
	b.until("it was run", `document.querySelectorAll('button.series').length === 1`)
	if !strings.Contains(b.address(), `q=go_goroutine_count{job="payments"}`) {
		t.Errorf("the address %s does not have the query", b.address())
	}
	eval[any](b, `[...document.querySelectorAll('.segmented button')].find((b) => b.textContent === 'Table').click()`)
	b.until("the value is in a table", `document.querySelector('.sample')?.textContent.includes('job=payments')`)
	b.clean()
}

// What is measured in different units has a chart for each, one time below the other; what
// follows the present ends where values are complete.
func TestQueriesOfDifferentUnits(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/explore?q=process_memory_usage_bytes&q=go_goroutine_count&q=2*go_goroutine_count&refresh=off&range=15m")
	units := eval[[]string](b, `[...document.querySelectorAll('.graph')].map((g) => g.querySelector('figcaption').textContent + ': ' + g.querySelectorAll('.chart canvas').length)`)
	if got := strings.Join(units, ", "); got != "bytesA: 1, numberB C: 1" {
		t.Errorf("the charts are %s", got)
	}
	left := eval[[]float64](b, `[...document.querySelectorAll('.chart .u-over')].flatMap((o) => { const r = o.getBoundingClientRect(); return [r.left, r.width]; })`)
	if len(left) != 4 || left[0] != left[2] || left[1] != left[3] {
		t.Errorf("the charts' axes of time are at %v", left)
	}
	b.until("all series are in the table", `document.querySelectorAll('button.series').length === 24`)
	if foot := eval[string](b, `document.querySelector('.graph-foot').textContent`); !strings.Contains(foot, "– 14:29:5") {
		t.Errorf("the range is %q: its end should be some seconds ago", foot)
	}

	// A drag over one chart is one step back.
	before := eval[int](b, `history.length`)
	box := eval[[]float64](b, `(() => { const r = document.querySelectorAll('.chart .u-over')[1].getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`)
	b.drag(box[0]+100, box[1]+40, box[0]+400, box[1]+40)
	b.until("the time was chosen", `location.search.includes('from=')`)
	if n := eval[int](b, `history.length`) - before; n != 1 {
		t.Errorf("a drag made %d steps", n)
	}

	b.visit("/explore?q=process_memory_usage_bytes&q=2*process_memory_usage_bytes&refresh=off")
	if n := eval[int](b, `document.querySelectorAll('.chart').length`); n != 2 {
		t.Errorf("%d charts for bytes and plain numbers, not 2", n)
	}
	b.visit("/explore?q=process_memory_usage_bytes&q=sum(process_memory_usage_bytes)&refresh=off")
	if n := eval[int](b, `document.querySelectorAll('.chart').length`); n != 1 {
		t.Errorf("%d charts for bytes alone, not 1", n)
	}
	b.clean()
}
