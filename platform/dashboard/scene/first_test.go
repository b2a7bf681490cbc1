package scene

import (
	"testing"

	"github.com/chromedp/cdproto/page"
)

// nothingYet has the list of traces empty for as long as the page's nothingYet is true, and
// lets its clock go on.
const nothingYet = `;(() => { const real = globalThis.fetch, at = Date.now();
  Date.now = () => at + performance.now();
  globalThis.nothingYet = true;
  globalThis.fetch = (...a) => globalThis.nothingYet && String(a[0]).startsWith('/v1/telemetry/traces?')
    ? Promise.resolve(new Response('{"traces":[]}', { headers: { 'Content-Type': 'application/json' } })) : real(...a);
})()`

// Whoever waits for the very first trace sees it without an event of the stream, which
// tells of traces when they are whole.
func TestFirstTraceIsWaitedFor(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: nothingYet})
	b.visit("/traces")
	b.until("the page says that there are none", `document.querySelector('.state-title')?.textContent === 'No traces yet'`)
	eval[any](b, `globalThis.nothingYet = false`)
	b.until("the list has traces", `document.querySelectorAll('.table tbody tr[data-row]').length > 0`)
	b.clean()
}
