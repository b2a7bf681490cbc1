package scene

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// tail is a stream of log records that a test sends, and that it can cut off.
type tail struct {
	next http.Handler
	send chan string // whole events
	cut  chan struct{}
}

// openTail opens a browser whose scene streams what the test says.
func openTail(t *testing.T) (*browser, *tail) {
	t.Helper()
	b := open(t)
	tl := &tail{next: b.srv.Config.Handler, send: make(chan string), cut: make(chan struct{})}
	b.srv.Config.Handler = tl
	return b, tl
}

func (tl *tail) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/telemetry/logs/stream" {
		tl.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(w)
	_ = c.Flush()
	for {
		select {
		case e := <-tl.send:
			_, _ = fmt.Fprint(w, e)
			_ = c.Flush()
		case <-tl.cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// records makes events of log records, each a millisecond after the other.
func records(from, until int) string {
	var s strings.Builder
	for i := from; i < until; i++ {
		fmt.Fprintf(&s, "event: log\ndata: {\"time\":%d,\"service\":\"orders\",\"severity\":\"info\",\"body\":\"record %d\",\"trace\":\"\",\"span\":\"\",\"attributes\":{\"n\":%d}}\n\n",
			moment.UnixMilli()+int64(i), i, i)
	}
	return s.String()
}

const lastLine = `([...document.querySelectorAll('.log-row')].at(-1)?.querySelector('.log-text')?.textContent ?? '')`

// New records appear at the end; while paused they wait and are counted; what was lost is
// told; a stream that breaks comes back. However many there are, few are in the document.
func TestLiveTail(t *testing.T) {
	b, tl := openTail(t)
	b.look(1440, 900, "light")
	b.visit("/logs")
	b.until("records of the scene are there", `document.querySelectorAll('.log-row').length > 10`)

	tl.send <- records(0, 3)
	b.until("the newest is last", lastLine+`.startsWith('record 2')`)
	b.press("p")
	b.until("it is paused", `document.querySelector('.tail-state').textContent === 'paused'`)
	tl.send <- records(3, 8)
	b.until("five wait", `document.querySelector('.tail-waiting')?.textContent === '5 new'`)
	if !eval[bool](b, lastLine+`.startsWith('record 2')`) {
		t.Error("a record came while the page was paused")
	}
	b.press("p")
	b.until("what waited is there", lastLine+`.startsWith('record 7')`)

	tl.send <- "event: lost\ndata: 17\n\n"
	b.until("what was lost is told", `document.querySelector('.log-lost')?.textContent.startsWith('17 records lost')`)

	tl.cut <- struct{}{}
	b.until("the break is told", `document.querySelector('.tail-state').textContent === 'reconnecting'`)
	b.until("it is live again", `document.querySelector('.tail-state').textContent === 'live'`)
	tl.send <- records(8, 9)
	b.until("records come again", lastLine+`.startsWith('record 8')`)

	for i := 10; i < 30_010; i += 1000 {
		tl.send <- records(i, i+1000)
	}
	b.until("the flood is there", lastLine+`.startsWith('record 30009')`)
	if n := eval[int](b, `document.querySelectorAll('.log-row').length`); n > 150 {
		t.Errorf("%d rows are in the document: they are not virtual", n)
	}
	if n := eval[int](b, `Number(document.querySelector('.logs-list').getAttribute('aria-rowcount'))`); n != 20_000 {
		t.Errorf("the page holds %d records, not its bound", n)
	}
	b.until("it says that older ones went", `document.querySelector('.logs-older')?.textContent.includes('let go')`)
	b.clean()
}

// Reading older lines is not disturbed by new ones, and a key goes back to the newest.
func TestTailStaysWhereItIsRead(t *testing.T) {
	b, tl := openTail(t)
	b.look(1440, 700, "dark")
	b.visit("/logs")
	tl.send <- records(0, 200)
	b.until("they are there", lastLine+`.startsWith('record 199')`)
	eval[any](b, `document.querySelector('.logs-list').scrollTop = 0`)
	b.until("the way to the newest is offered", `!!document.querySelector('.logs-jump')`)
	top := eval[string](b, `document.querySelector('.log-row .log-text').textContent`)
	tl.send <- records(200, 300)
	b.until("they are counted", `Number(document.querySelector('.logs-list').getAttribute('aria-rowcount')) >= 300`)
	if got := eval[string](b, `document.querySelector('.log-row .log-text').textContent`); got != top {
		t.Errorf("reading %q, new records moved the page to %q", top, got)
	}
	b.press("G")
	b.until("the newest is in sight", lastLine+`.startsWith('record 299')`)
	b.clean()
}

// Search, severity, service and trace narrow the list, all in the address; a record leads
// to its trace.
func TestLogFilters(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/logs?range=1h")
	b.search("WAITED for")
	b.until("one is left", `document.querySelectorAll('.log-row').length === 1 && document.querySelector('.log-row mark').textContent === 'waited for'`)
	if !strings.Contains(b.address(), "q=WAITED") {
		t.Errorf("the address %s does not say what is searched", b.address())
	}
	eval[any](b, `document.querySelector('.log-row').click()`)
	b.until("the record is shown", `document.querySelector('aside.detail')?.textContent.includes('waited_ms')`)
	eval[any](b, `document.querySelector('aside.detail a[href^="/traces/"]').click()`)
	b.until("its trace and span are open", `location.pathname === '/traces/`+slowTrace()+`' && document.querySelector('aside.detail .detail-logs') !== null`)

	b.visit("/logs?severity=warn&range=1h")
	if n := eval[int](b, `[...document.querySelectorAll('.log-row .log-sev')].filter((s) => !['warn', 'error', 'fatal'].includes(s.textContent)).length`); n > 0 {
		t.Errorf("%d records are less severe than a warning", n)
	}
	b.visit("/logs?q=no+record+says+this")
	b.until("it says that there is none", `document.querySelector('.state-title')?.textContent === 'No record is like this'`)
	b.clean()
}
