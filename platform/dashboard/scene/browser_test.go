package scene

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a Chromium and the scene that it looks at.
type browser struct {
	t     testing.TB
	ctx   context.Context
	url   string
	stage *stage
	srv   *httptest.Server
	began bool

	mu     sync.Mutex
	errors []string // exceptions and errors that the pages logged
}

// open starts a Chromium, or skips the test where there is none.
func open(t testing.TB) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds: not in -short")
	}
	path := os.Getenv("CHROMIUM")
	if path == "" {
		path = "/usr/bin/chromium"
	}
	if _, err := os.Stat(path); err != nil {
		t.Skip("no Chromium at " + path + " (apt-get install chromium, or CHROMIUM=path)")
	}
	st, h := newStage(t, nil)
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.CloseClientConnections() // streams do not end by themselves
		srv.Close()
	})
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Env("TZ=UTC", "LANG=C.UTF-8"),
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("force-prefers-reduced-motion", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-lcd-text", true))...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, url: srv.URL, stage: st, srv: srv}
	b.run(chromedp.Navigate("about:blank")) // starts the browser, which ends with ctx
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatal(err)
	}
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: stopClock})
	return b
}

// note keeps what a page complains about.
func (b *browser) note(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, fmt.Sprintf("%s %+v", ev.ExceptionDetails.Text, ev.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError && len(ev.Args) > 0 {
			b.errors = append(b.errors, fmt.Sprintf("%s %s", ev.Args[0].Value, ev.Args[0].Description))
		}
	}
}

// stopClock has every page live at the scene's moment.
var stopClock = fmt.Sprintf(`(() => { const at = %d, Real = Date;
  globalThis.Date = class extends Real { constructor(...a) { a.length ? super(...a) : super(at); } static now() { return at; } };
})()`, moment.UnixMilli())

// run runs actions that return nothing.
func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for _, a := range actions {
		get(b, a)
	}
}

// get runs an action within a minute and returns its value. The first one of a browser
// has no time limit, as its context is the browser's.
func get[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx := b.ctx
	if b.began {
		c, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		ctx = c
	}
	b.began = true
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// call sends the browser a command of its protocol.
func call[P, R any](b *browser, cmd cdp.Command[P, R], params P) R {
	b.t.Helper()
	r, err := chromedp.Call(b.ctx, cmd, params)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// look sets how the browser shows pages.
func (b *browser) look(width, height int64, scheme string) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// visit opens a page and waits until it has drawn what it asked for.
func (b *browser) visit(path string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.url + path))
	b.settled()
}

// settled waits until a page is at rest: nothing loads, and nothing changed for a while.
func (b *browser) settled() {
	b.t.Helper()
	get(b, chromedp.Evaluate[chromedp.Void](atRest, chromedp.EvalAwaitPromise))
}

const atRest = `new Promise((resolve) => {
  let last = '', same = 0, rounds = 0;
  const look = () => {
    const now = document.getElementById('app').innerHTML.length + ' ' + performance.getEntriesByType('resource').length;
    const rest = document.fonts.status === 'loaded' && document.querySelector('main') && !document.querySelector('[aria-busy=true]');
    same = rest && now === last ? same + 1 : 0;
    last = now;
    if (same >= 9 || ++rounds > 200) resolve(); else setTimeout(look, 60);
  };
  look();
})`

// clean fails the test for what pages complained about since the last call.
func (b *browser) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.errors {
		b.t.Errorf("the page complained: %s", e)
	}
	b.errors = nil
}

// quote returns a text as JavaScript's.
func quote(text string) string { return strconv.Quote(text) }
