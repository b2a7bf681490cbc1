package scene

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
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

// browser is a page of the Chromium that all tests share, and the scene that it looks at.
type browser struct {
	t     testing.TB
	ctx   context.Context
	url   string
	stage *stage
	srv   *httptest.Server

	mu     sync.Mutex
	errors []string // exceptions and errors that the pages logged
}

// chromium is started by the first test that wants it.
var chromium struct {
	once sync.Once
	ctx  context.Context
	end  func()
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.end != nil {
		chromium.end()
	}
	if theScene.close != nil {
		theScene.close()
	}
	os.Exit(code)
}

// program returns where Chromium is, "" where there is none.
func program() string {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func start(path string) {
	alloc, end := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Env("TZ=UTC", "LANG=C.UTF-8"),
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("force-prefers-reduced-motion", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-lcd-text", true))...)
	ctx, cancel := chromedp.NewContext(alloc)
	chromium.ctx, chromium.end = ctx, func() { //nolint:fatcontext // one browser for all tests
		cancel()
		end()
	}
	_, chromium.err = chromedp.Run(ctx, chromedp.Navigate("about:blank"))
}

// open opens a page, or skips the test where there is no Chromium.
func open(t testing.TB) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("suite Chromium: a browser takes seconds: not with -short")
	}
	path := program()
	if path == "" {
		t.Skip("suite Chromium: it is not installed: run scripts/install-test-deps.sh, or say CHROMIUM=path")
	}
	chromium.once.Do(func() { start(path) })
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	st, h := newStage(t, nil)
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.CloseClientConnections() // streams do not end by themselves
		srv.Close()
	})
	ctx, cancel := chromedp.NewContext(chromium.ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, url: srv.URL, stage: st, srv: srv}
	if _, err := chromedp.Run(ctx, chromedp.Navigate("about:blank")); err != nil { // the page ends with the context of its first action
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatal(err)
	}
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: stopClock + countQuestions})
	call(b, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
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

// countQuestions has every page tell how many of its questions are not answered.
const countQuestions = `;(() => { const real = globalThis.fetch;
  globalThis.unanswered = 0;
  globalThis.fetch = async (...a) => {
    unanswered++;
    try { const r = await real(...a); const read = r.text.bind(r); unanswered++; r.text = () => read().finally(() => unanswered--); return r; } finally { unanswered--; }
  };
})()`

// run runs actions that return nothing.
func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for _, a := range actions {
		get(b, a)
	}
}

// get runs an action within a minute and returns its value.
func get[T any](b *browser, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
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

// settled waits until a page is at rest: all that it asked is answered, nothing loads, and
// nothing changed for some frames.
func (b *browser) settled() {
	b.t.Helper()
	get(b, chromedp.Evaluate[chromedp.Void](atRest, chromedp.EvalAwaitPromise))
}

const atRest = `new Promise((resolve) => {
  let last = '', same = 0;
  const began = performance.now();
  const look = () => {
    const now = document.getElementById('app').innerHTML.length + ' ' + innerWidth + ' ' + document.documentElement.dataset.theme;
    const rest = unanswered === 0 && document.fonts.status === 'loaded' && document.querySelector('main') && !document.querySelector('[aria-busy=true]');
    same = rest && now === last ? same + 1 : 0;
    last = now;
    if (same >= 4 || performance.now() - began > 15000) resolve(); else requestAnimationFrame(() => setTimeout(look, 15));
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

// bound is how long something may take: so long where the promise is proven, on a machine
// that does nothing else (PROVE=true), and otherwise so long that only what hangs is late.
func bound(promised time.Duration) time.Duration {
	if os.Getenv("PROVE") == "true" {
		return promised
	}
	return 5 * promised
}
