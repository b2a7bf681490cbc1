package scene

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/problem"
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

// pressed presses the one of few choices that begins with a text.
func pressed(text string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('.segmented button')].find((e) => e.textContent.startsWith(` + quote(text) + `)).click()`)
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
	for _, text := range []string{"Critical path", "Next failed span", "Pause the live tail, go on", "Take the suggestion", "Find in the trace"} {
		b.says(text)
	}
	b.axe("")
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
	b.run(pressed("Paused"))
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
	b.axe("")
	b.keys(strings.Split("ann", "")...) // the keys go to the first field, not to what closes it
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('dialog input')[1].focus()`))
	b.keys(strings.Split("sold by hand", "")...)
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
	b.run(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll('.segmented button')].find((e) => e.textContent === 'notify').click()`))
	b.click("Redrive all of notify")
	b.says("those that are not listed here, too")
	b.click("Redrive")
	b.soon(`!document.querySelector('dialog[open]')`)
	b.click("Discard")
	b.says("taken out for good")
	b.click("Discard")
	b.soon(`!document.querySelector('dialog[open]')`)
	want := []string{`/v1/ops/redrive {"group":"notify"}`, `/v1/ops/dead/broker/8842/discard {}`}
	if got := b.stage.taken(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	b.clean()
}

// TestFailureIsSaid breaks what a page asks for, and mends it.
func TestFailureIsSaid(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	for _, broken := range []struct{ path, api, what, then string }{
		{"/", "/v1/telemetry/overview", "The overview could not be loaded", "What changed"},
		{"/map", "/v1/telemetry/map", "The map could not be loaded", "Connections"},
		{"/sagas", "/v1/ops/sagas", "The sagas could not be loaded", "checkout/o-77120"},
		{"/queues", "/v1/ops/queues", "The queues could not be loaded", "Consumers"},
		{"/registry", "/v1/services", "The registry could not be loaded", "Instances"},
		{"/health", "/v1/telemetry/health", "Telemetry health could not be loaded", "By service"},
	} {
		b.stage.spoil(broken.api, problem.New(problem.Unavailable, "the store is being repaired"))
		b.visit(broken.path)
		b.says(broken.what)
		b.says("the store is being repaired")
		b.stage.spoil(broken.api, nil)
		b.click("Try again")
		b.says(broken.then)
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

// TestNoUselessQuestions asks what is refused once, what is not there four times, and the
// names of the services once for all pages.
func TestNoUselessQuestions(t *testing.T) {
	b := open(t)
	hurry := `;(() => { const real = setTimeout; globalThis.setTimeout = (f, ms, ...a) => real(f, ms >= 1000 && ms < 15000 ? ms / 100 : ms, ...a); })()`
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: hurry})
	b.look(1440, 900, "light")
	for path, want := range map[string]struct {
		code  problem.Code
		times int
	}{
		"/v1/telemetry/map":      {problem.InvalidArgument, 1},
		"/v1/telemetry/health":   {problem.PermissionDenied, 1},
		"/v1/telemetry/overview": {problem.NotFound, 4},
	} {
		b.stage.spoil(path, problem.New(want.code, "it is refused"))
		b.visit(map[string]string{"/v1/telemetry/map": "/map", "/v1/telemetry/health": "/health", "/v1/telemetry/overview": "/"}[path])
		b.says("it is refused")
		// In this page 200 ms are 20 s of waiting for the next try.
		eval[any](b, `new Promise((r) => setTimeout(r, 400))`)
		if n := b.stage.times(path); n != want.times {
			t.Errorf("%s, which is %s, was asked for %d times, not %d", path, want.code, n, want.times)
		}
		b.stage.spoil(path, nil)
	}
	before := b.stage.times("/v1/telemetry/services")
	b.visit("/traces")
	b.keys("g", "l")
	b.soon(`location.pathname === '/logs'`)
	b.settled()
	if n := b.stage.times("/v1/telemetry/services") - before; n != 1 {
		t.Errorf("the names of the services were asked for %d times by one page load", n)
	}
}

// TestOverviewOfAFleetThatStarts draws from the first value on, tells of nine instances
// that came together in one line, and of a service that is gone.
func TestOverviewOfAFleetThatStarts(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/")
	o, err := overview(t.Context(), 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	o.Changes = nil
	for i := range o.Services {
		s := &o.Services[i]
		for _, values := range [][]*float64{s.Rate, s.Errors, s.P50, s.P99} {
			clear(values[:48])
		}
		if s.Instances > 0 {
			o.Changes = append(o.Changes, query.Change{Time: ms(moment) - 62_000 + float64(i), Service: s.Name, Kind: "joined", Detail: s.Name + "-1 joined"})
		}
		if s.Name == "card" {
			s.Ready, s.Instances = 0, 0
			o.Changes = append(o.Changes, query.Change{Time: ms(moment) - 2000, Service: s.Name, Kind: "left", Detail: "card-1 left"})
		}
	}
	data, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	b.stage.live <- "event: overview\ndata: " + string(data) + "\n\n"
	b.says("the first 1\u00a0min")
	b.says("9 instances joined")
	b.says("no instance is left in the registry")
	// 12 values are drawn over the whole width, and no line has a mark at its beginning.
	b.soon(`document.querySelector('.tile .spark-line').getAttribute('d').startsWith('M1.0')`)
	b.soon(`document.querySelectorAll('.spark-tick').length === 3`)
	b.clean()
}
