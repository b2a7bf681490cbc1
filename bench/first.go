//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/musterdev/muster/bench/figures"
	"github.com/musterdev/muster/bench/host"
)

// What the dashboard has drawn, asked of the page before each of its frames.
const (
	pageIsDrawn  = `!!document.querySelector('main h1')`
	traceIsDrawn = `!!document.querySelector('table[aria-label="Traces"] tbody a.row-link')`
	spansAre     = `!!document.querySelector('.wf-row') && document.querySelector('canvas.wf-bars')?.width > 0`

	firstTrace = `table[aria-label="Traces"] tbody a.row-link`
)

// firstFigures are what is measured, by round.
type firstFigures struct{ ready, drawn, trace, waterfall *figures.Figure }

// first measures how soon somebody who starts the demo sees a trace.
func first(ctx context.Context, binary string, rounds int) (*figures.Result, error) {
	r := &figures.Result{
		Name: "bench-first", Title: "The first trace in the browser (`make bench-first`)",
		Method: "`muster demo` from a cold start in an empty folder, with its own visitors, which come when all is ready. A browser (headless Chromium, driven by " +
			"chromedp) is open on an empty page before. Its page of traces is opened as soon as control answers, and left alone: the list has to follow by itself. " +
			"Drawn is what a frame begins with. Then the first trace of the list is clicked. All on the same cores; every time is from the start of the process.",
	}
	f := firstFigures{
		ready:     r.Report("start to all ready, as printed", "s"),
		drawn:     r.Report("start to the dashboard drawn", "s"),
		trace:     r.Add(&figures.Figure{What: "start to the first trace in the list", Unit: "s", Target: "< 3", Holds: func(v float64) bool { return v < 3 }}),
		waterfall: r.Report("start to the waterfall of that trace", "s"),
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	for range rounds {
		if err := firstOnce(ctx, binary, f); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func firstOnce(ctx context.Context, binary string, f firstFigures) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tab, closeBrowser, err := openBrowser(ctx)
	if err != nil {
		return err
	}
	defer closeBrowser()
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	var env []string
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	for i, name := range []string{"CONTROL", "EDGE", "BROKER", "BROKER_HTTP"} {
		env = append(env, fmt.Sprintf("MUSTER_%s_PORT=%s", name, ports[i]))
	}
	d, err := host.StartDemoIn(ctx, dir, env, binary)
	if err != nil {
		return err
	}
	defer func() { _ = d.Stop() }()
	type end struct {
		at  time.Duration
		err error
	}
	ready := make(chan end, 1)
	go func() {
		at, err := d.WaitLine(ctx, "all ready")
		ready <- end{at, err}
	}()

	traces := "http://127.0.0.1:" + ports[0] + "/traces"
	if _, err := d.WaitPage(ctx, traces); err != nil {
		return err
	}
	watch := func(f *figures.Figure, script string) error {
		if _, err := chromedp.Run(tab, chromedp.Poll[bool](script)); err != nil {
			return fmt.Errorf("%s: %w", f.What, err)
		}
		f.Put(time.Since(d.Began).Seconds())
		return nil
	}
	if _, err = chromedp.Run(tab, chromedp.Navigate(traces)); err != nil {
		return fmt.Errorf("open %s in the browser: %w", traces, err)
	}
	if err := errors.Join(watch(f.drawn, pageIsDrawn), watch(f.trace, traceIsDrawn)); err != nil {
		return err
	}
	if _, err := chromedp.Run(tab, chromedp.Click(chromedp.CSS(firstTrace))); err != nil {
		return fmt.Errorf("click the first trace: %w", err)
	}
	if err := watch(f.waterfall, spansAre); err != nil {
		return err
	}
	all := <-ready
	if all.err != nil {
		return all.err
	}
	f.ready.Put(all.at.Seconds())
	return d.Stop()
}

// openBrowser starts Chromium and returns an empty page of it. The page is in sight: what is
// in the background draws no frames.
func openBrowser(ctx context.Context) (tab context.Context, closeIt func(), err error) {
	path := os.Getenv("CHROMIUM")
	for _, name := range []string{"chromium", "google-chrome"} {
		if path != "" {
			break
		}
		path, _ = exec.LookPath(name) // "" where there is none
	}
	if path == "" {
		return nil, nil, errors.New("Chromium is not installed: run scripts/install-test-deps.sh, or say CHROMIUM=path") //nolint:staticcheck // a name
	}
	all, end := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1440, 900))...)
	tab, cancel := chromedp.NewContext(all)
	closeIt = func() {
		cancel()
		end()
	}
	if _, err := chromedp.Run(tab, chromedp.Navigate("about:blank")); err != nil {
		closeIt()
		return nil, nil, fmt.Errorf("start Chromium: %w", err)
	}
	return tab, closeIt, nil
}

// freePorts returns ports that nobody listened at a moment ago.
func freePorts(n int) ([]string, error) {
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all at the end, so that they differ
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
