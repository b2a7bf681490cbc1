package scene

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// soon waits until an expression is true, which says by itself what is waited for.
func (b *browser) soon(js string) {
	b.t.Helper()
	b.until(js, js)
}

// says waits until the page has a text.
func (b *browser) says(text string) {
	b.t.Helper()
	b.soon(`document.body.innerText.includes(` + quote(text) + `)`)
}

func (b *browser) keys(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.run(chromedp.KeyEvent(k))
	}
}

// click clicks the button or link that says a text.
func (b *browser) click(text string) {
	b.t.Helper()
	found := `[...document.querySelectorAll('dialog[open] button, button, a')].find((e) => e.textContent.trim() === ` + quote(text) + ` && (!document.querySelector('dialog[open]') || e.closest('dialog')))`
	b.soon(`!!` + found)
	b.run(chromedp.Evaluate[chromedp.Void](found + `.click()`))
}

func (b *browser) at() string {
	b.t.Helper()
	return get(b, chromedp.Evaluate[string](`location.pathname + location.search`))
}

func TestKeys(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/")
	b.keys("g", "r")
	b.soon(`location.pathname === '/registry'`)
	b.settled()
	// Sent as a key the character would arrive, too, though the page forbids it.
	b.run(chromedp.Evaluate[chromedp.Void](`document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '/', bubbles: true}))`))
	b.soon(`document.activeElement.matches('[data-search]')`)
	b.keys("n", "o", "t", "g", "m") // typed, and no way to the map
	b.soon(`location.search === '?q=notgm'`)
	b.says("No instance matches")
	b.run(chromedp.KeyEvent("\x1b"))
	b.keys("?")
	b.soon(`!!document.querySelector('dialog[open]')`)
	b.run(chromedp.KeyEvent("\x1b"))
	b.soon(`!document.querySelector('dialog[open]')`)
	b.keys("g", "s")
	b.soon(`location.pathname === '/sagas'`)
	b.settled()
	b.keys("j", "j", "k", "\r")
	b.soon(`location.pathname === '/sagas/orders/checkout/o-77120'`)
	b.settled()
	b.run(chromedp.KeyEvent("\x1b"))
	b.soon(`location.pathname === '/sagas'`)
	b.clean()
}

func TestBackUndoesAFilter(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/sagas")
	b.run(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('.segmented button')].find((e) => e.textContent.startsWith('Paused')).click()`))
	b.soon(`document.querySelectorAll('tbody tr').length === 1`)
	if at := b.at(); at != "/sagas?state=paused" {
		t.Errorf("the address is %s: the filter is not in it", at)
	}
	b.run(chromedp.NavigateBack())
	b.soon(`document.querySelectorAll('tbody tr').length > 40`)
}

func TestSagaActionNeedsConfirmation(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/sagas/orders/checkout/o-77120")
	b.click("Skip step")
	b.says("counts as done though it is not")
	b.soon(`[...document.querySelectorAll('dialog button')].find((e) => e.textContent === 'Skip step').disabled`)
	for i, text := range []string{"ann", "sold by hand"} {
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('dialog input')[` + string(rune('0'+i)) + `].focus()`))
		b.keys(strings.Split(text, "")...)
	}
	b.soon(`![...document.querySelectorAll('dialog button')].find((e) => e.textContent === 'Skip step').disabled`)
	if n := len(b.stage.taken()); n != 0 {
		t.Fatalf("%d actions were sent before they were confirmed", n)
	}
	b.run(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('dialog button')].find((e) => e.textContent === 'Skip step').click()`))
	b.soon(`!document.querySelector('dialog[open]')`)
	want := `/v1/ops/sagas/orders/checkout/o-77120/skip {"by":"ann","why":"sold by hand"}`
	if got := b.stage.taken(); len(got) != 1 || got[0] != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	b.clean()
}

func TestRedriveAll(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/queues")
	b.click("Redrive all 3")
	b.click("Redrive")
	b.soon(`!document.querySelector('dialog[open]')`)
	if got := b.stage.taken(); len(got) != 3 || !strings.HasPrefix(got[0], "/v1/ops/dead/notify/8842/redrive") {
		t.Errorf("sent %q, want three redrives", got)
	}
	b.clean()
}

// TestFailureIsSaid breaks what a page asks for, and mends it.
func TestFailureIsSaid(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	for _, page := range []struct{ path, api, what, then string }{
		{"/", "/v1/telemetry/overview", "The overview could not be loaded", "What changed"},
		{"/map", "/v1/telemetry/map", "The map could not be loaded", "Connections"},
		{"/sagas", "/v1/ops/sagas", "The sagas could not be loaded", "checkout/o-77120"},
		{"/queues", "/v1/ops/queues", "The queues could not be loaded", "Consumers"},
		{"/registry", "/v1/services", "The registry could not be loaded", "Instances"},
		{"/health", "/v1/telemetry/health", "Telemetry health could not be loaded", "By service"},
	} {
		b.stage.spoil(page.api, "the store is being repaired")
		b.visit(page.path)
		b.says(page.what)
		b.says("the store is being repaired")
		b.stage.spoil(page.api, "")
		b.click("Try again")
		b.says(page.then)
	}
	b.clean()
}

// TestLostConnection ends the server under an open page: what was there stays, and the
// page says how old it is.
func TestLostConnection(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/queues")
	b.srv.CloseClientConnections()
	b.srv.Listener.Close()
	b.says("Connection lost. Showing what was there at 14:30:00")
	b.says("payments.requested")
}

// TestLive shows what the stream brings, connects again when it ends, and is not upset by
// what it cannot read.
func TestLive(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/")
	send := func(ready int) {
		t.Helper()
		o, err := overview(t.Context(), 15*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		o.Services[3].Ready, o.Services[3].Instances = ready, 77
		data, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case b.stage.live <- "event: overview\ndata: " + string(data) + "\n\n":
		case <-time.After(20 * time.Second):
			t.Fatal("no page listens to the stream")
		}
	}
	send(71)
	b.says("71 of 77 instances ready")
	b.stage.live <- "event: overview\ndata: {cut off\n\n"
	send(72)
	b.says("72 of 77 instances ready")
	b.stage.live <- "" // the stream ends
	send(73)
	b.says("73 of 77 instances ready")
	b.soon(`!document.body.innerText.includes('Connection lost')`)
	b.clean()
}
