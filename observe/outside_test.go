package observe_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

// Strangers name their trace, and decide nothing: neither that it is sampled nor for how
// many others it stands.
func TestStrangersDecideNothing(t *testing.T) {
	b := newBook()
	tel, end := observed(t, b)
	var sampled int
	h := tel.EdgeHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sc := trace.SpanContextFromContext(r.Context())
		if sc.IsSampled() {
			sampled++
		}
		if !strings.HasPrefix(sc.TraceID().String(), "ffffffff") || strings.Contains(sc.TraceState().String(), "th:fff") || r.Header.Get("Tracestate") != "" {
			t.Errorf("trace %s, state %q, passed on %q", sc.TraceID(), sc.TraceState(), r.Header)
		}
	}))
	const n = 5000
	for i := range n {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Traceparent", fmt.Sprintf("00-ffffffffffffffffffffff%010x-00f067aa0ba902b7-01", i))
		r.Header.Set("Tracestate", "ot=th:fffff,other=1")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	end()
	if sampled == 0 || sampled > n/3 {
		t.Errorf("%d of %d traces were sampled", sampled, n)
	}
}

// What callers send does not become large by waiting to be sent.
func TestSpansAreSmallWhateverCallersSend(t *testing.T) {
	b := newBook()
	tel, end := observed(t, b)
	h := tel.Handler(http.NotFoundHandler())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	long := strings.Repeat("x", 60_000)
	const n = 1000
	for i := range n {
		target := "/" + long
		if i%2 == 0 {
			target = "/short?" + long
		}
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		r.Header.Set("Tracestate", "a=1,b="+strings.Repeat("y", 200)+",c="+strings.Repeat("z", 250)+strings.Repeat(",d=1", 100)) // the last key is no state's
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 12_000 {
		t.Errorf("each span holds %d bytes", each)
	}
	end()
}

// A long tracestate goes on with its first entries.
func TestATracestateIsBounded(t *testing.T) {
	b := newBook()
	tel, end := observed(t, b)
	defer end()
	var state string
	h := tel.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		state = trace.SpanContextFromContext(r.Context()).TraceState().String()
	}))
	for sent, want := range map[string]string{
		"ot=th:8":                               "ot=th:8",
		"ot=th:8,a=" + strings.Repeat("y", 200): "ot=th:8,a=" + strings.Repeat("y", 200),
		"ot=th:8,a=" + strings.Repeat("y", 250) + ",b=" + strings.Repeat("z", 250): "ot=th:8,a=" + strings.Repeat("y", 250),
		strings.Repeat("y", 1000): "",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		r.Header.Set("Tracestate", sent)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if state != want {
			t.Errorf("%q goes on as %q", sent, state)
		}
	}
}
