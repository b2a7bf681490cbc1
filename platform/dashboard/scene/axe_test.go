package scene

import (
	"os"
	"strings"
	"sync"

	"github.com/chromedp/chromedp"
)

// axe is the script of axe-core, which finds what hinders people who use a screen reader,
// a keyboard or a high contrast.
var axe = sync.OnceValues(func() ([]byte, error) { return os.ReadFile("testdata/axe/axe.min.js") })

const runAxe = `axe.run(document, {resultTypes: ['violations'], RULES}).then((r) => r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical')
  .map((v) => v.id + ': ' + v.help + ' at ' + v.nodes.slice(0, 4).map((n) => n.target.join(' ') + ' (' + (n.any[0]?.message ?? n.all[0]?.message ?? '') + ')').join('; ')))`

// axe fails the test for what is serious or worse. rules: the only ones, as an option of
// axe.run; "" means all.
func (b *browser) axe(rules string) {
	b.t.Helper()
	script, err := axe()
	if err != nil {
		b.t.Fatal(err)
	}
	if !eval[bool](b, `'axe' in globalThis`) {
		b.run(chromedp.Evaluate[chromedp.Void](string(script)))
	}
	for _, found := range eval[[]string](b, strings.Replace(runAxe, "RULES", rules, 1)) {
		b.t.Errorf("axe: %s", found)
	}
}

// fits lets the page be no wider than the screen.
func (b *browser) fits() {
	b.t.Helper()
	if over := eval[[]int](b, `[document.scrollingElement.scrollWidth - innerWidth, innerWidth]`); over[0] > 0 {
		b.t.Errorf("the page is %d px wider than a screen of %d", over[0], over[1])
	}
}
