package scene

import (
	"slices"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/ops"
)

// fill writes into a field of the dialog that is open, as a person would.
func (b *browser) fill(label, text string) {
	b.t.Helper()
	found := `[...document.querySelectorAll('dialog[open] label')].find((e) => e.textContent.trim().startsWith(` + quote(label) + `))`
	b.soon(`!!` + found)
	b.run(chromedp.Evaluate[chromedp.Void](`((e) => {
		Object.getOwnPropertyDescriptor(Object.getPrototypeOf(e), 'value').set.call(e, ` + quote(text) + `);
		e.dispatchEvent(new Event('input', {bubbles: true}));
	})(` + found + `.control)`))
}

// ordered wants what was sent, and that the dialog closed.
func (b *browser) ordered(want ...string) {
	b.t.Helper()
	b.soon(`!document.querySelector('dialog[open]')`)
	if got := b.stage.taken(); !slices.Equal(got, want) {
		b.t.Errorf("sent %q, want %q", got, want)
	}
}

func (b *browser) sign(why string) {
	b.t.Helper()
	b.fill("Who you are", "ann")
	b.fill("Why", why)
}

// buttons are those of the page's head.
const buttons = `[...document.querySelectorAll('button')].map((e) => e.textContent.trim())`

func TestSagaIsMended(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	const stuck = "/v1/ops/sagas/orders/checkout/o-77120"
	b.visit("/sagas/orders/checkout/o-77120")
	b.soon(buttons + `.includes('Resume') && !` + buttons + `.includes('Pause')`)
	b.click("Resume")
	b.sign("stock counted")
	b.click("Resume")
	sent := []string{stuck + `/resume {"by":"ann","why":"stock counted"}`}
	b.ordered(sent...)

	b.click("Edit")
	b.sign("wrong quantity")
	b.fill("Data", `{"order": `)
	b.click("Replace the data")
	b.says("This is no JSON")
	b.axe("")
	b.fill("Data", `{"order": {"id": "o-77120", "total": 1}}`)
	b.click("Replace the data")
	sent = append(sent, stuck+`/edit {"by":"ann","data":{"order":{"id":"o-77120","total":1}},"seq":0,"why":"wrong quantity"}`)
	b.ordered(sent...)

	b.click("Retry all like it")
	b.sign("inventory is back")
	b.fill("A part of the error", "has expired")
	b.click("Retry all")
	sent = append(sent, `/v1/ops/sagas/orders/retry {"by":"ann","error":"has expired","name":"checkout","why":"inventory is back"}`)
	b.ordered(sent...)
	b.says("3 are tried again, 1 could not be")

	b.visit("/sagas/orders/checkout/o-12245") // it runs
	b.soon(buttons + `.includes('Pause') && !` + buttons + `.includes('Resume')`)
	b.click("Pause")
	b.sign("the bank asks to")
	b.click("Pause")
	b.ordered(append(sent, `/v1/ops/sagas/orders/checkout/o-12245/pause {"by":"ann","why":"the bank asks to"}`)...)
	b.clean()
}

// A step that is held for all is told once, on a desk and on a phone, and resumed there.
func TestHeldStepIsResumed(t *testing.T) {
	b := open(t)
	h := ops.Held{Service: "orders", Held: saga.Held{Outcome: "bug", Error: "the certificate of the bank has expired", Sagas: 5, Waiting: 412, Since: before(90e9)}}
	h.Name, h.Step, h.Undoing = "checkout", "charge", true
	b.stage.hold(h)
	b.look(390, 844, "dark")
	b.visit("/sagas")
	b.says("checkout/charge/undo of orders is held for all")
	b.axe("")
	b.look(1440, 900, "light")
	b.says("412 wait")
	b.says("It waits for a person")
	b.click("Resume the step")
	b.sign("renewed")
	b.click("Resume")
	b.ordered(`/v1/ops/sagas/orders/resume {"by":"ann","name":"checkout","step":"charge","undoing":true,"why":"renewed"}`)
	b.clean()
}

// hold has the services hold these steps.
func (st *stage) hold(list ...ops.Held) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.held = list
}
