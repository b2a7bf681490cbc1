package scene

import (
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// runAxe has axe-core look for what hinders people who use a screen reader, a keyboard or
// a high contrast, and returns what is serious or worse.
const runAxe = `axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical')
  .map((v) => v.id + ': ' + v.help + ' at ' + v.nodes.slice(0, 4).map((n) => n.target.join(' ') + ' (' + (n.any[0]?.message ?? n.all[0]?.message ?? '') + ')').join('; ')))`

// TestAxe finds nothing serious on any page, in either scheme, on a desk or on a phone.
func TestAxe(t *testing.T) {
	script, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	b := open(t)
	for _, look := range []struct {
		scheme string
		width  int64
	}{{"light", 1440}, {"dark", 1440}, {"light", 390}} {
		b.look(look.width, 900, look.scheme)
		for _, v := range views {
			b.visit(v.path)
			b.run(chromedp.Evaluate[chromedp.Void](string(script)))
			for _, found := range get(b, chromedp.Evaluate[[]string](runAxe, chromedp.EvalAwaitPromise)) {
				t.Errorf("%s, %s, %d px: %s", v.name, look.scheme, look.width, found)
			}
		}
	}
	b.clean()
}

// TestFits lets no page be wider than the screen, from a small phone to a large desk.
func TestFits(t *testing.T) {
	b := open(t)
	for _, width := range []int64{320, 390, 768, 1024, 2560} {
		b.look(width, 900, "light")
		for _, v := range views {
			b.visit(v.path)
			if over := get(b, chromedp.Evaluate[int](`document.scrollingElement.scrollWidth - innerWidth`)); over > 0 {
				t.Errorf("%s is %d px wider than a screen of %d", v.name, over, width)
			}
		}
	}
}
