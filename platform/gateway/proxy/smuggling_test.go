package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
)

// Framing that readers are known to disagree about is either refused or passed on in
// one plain form: the instance sees the requests that the edge saw, and no other.
// (net/http accepts some of it; refusing all is the fast engine's task.)
func TestNothingIsSmuggled(t *testing.T) {
	const after = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, test := range map[string]struct {
		request string
		seen    string // by the instance; "" nothing
	}{
		"length and chunks":   {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ""},
		"two lengths":         {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\n" + after, ""},
		"same length twice":   {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", ""},
		"length with a plus":  {"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +36\r\n\r\n" + after, ""},
		"chunks, two codings": {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + after, ""},
		"chunks, odd name":    {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + after, ""},
		"chunks, tab":         {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\tchunked\r\nConnection: close\r\n\r\n0\r\n\r\n" + after, "[POST /a chunked -1 ]"},
		"chunk, large size":   {"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n" + after, ""},
		"folded header":       {"GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\r\n Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + after, ""},
		"bare LF":             {"GET /a HTTP/1.1\nHost: x\nConnection: close\n\n" + after, ""},
		"bare CR in a value":  {"GET /a HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\nConnection: close\r\n\r\n" + after, ""},
		"space in the target": {"GET /a HTTP/1.1\r\n /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + after, ""},
		"body on GET":         {"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi" + after, "[GET /a  2 hi]"},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var seen []string
			e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return // broken off: no whole request
				}
				coding := ""
				if len(r.TransferEncoding) > 0 {
					coding = r.TransferEncoding[0]
				}
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, fmt.Sprintf("%s %s %s %d %s", r.Method, r.URL.Path, coding, r.ContentLength, body))
			}))
			c, r := raw(t, e.addr, test.request)
			res, err := http.ReadResponse(r, nil)
			if err != nil || (res.StatusCode == 200) != (test.seen != "") {
				t.Errorf("%v, %v", res, err)
			}
			_ = c.Close()
			e.end()
			want := test.seen
			if want == "" {
				want = "[]"
			}
			if got := fmt.Sprint(seen); got != want {
				t.Errorf("the instance saw %s, want %s", got, want)
			}
		})
	}
}
