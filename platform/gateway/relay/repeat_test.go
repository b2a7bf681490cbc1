package relay_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What an instance may have heard is asked again only where that is safe and all of the
// request is still there; else the client is told that nobody knows.
func TestAskedAgainOnlyWhereThatIsSafe(t *testing.T) {
	small, large := strings.Repeat("s", 1000), strings.Repeat("l", 64<<10+1)
	for name, test := range map[string]struct {
		method, key, body string
		chunked, again    bool
	}{
		"GET":              {method: "GET", again: true},
		"DELETE":           {method: "DELETE", again: true},
		"PUT":              {method: "PUT", body: small, again: true},
		"PUT, large":       {method: "PUT", body: large},
		"PUT, chunked":     {method: "PUT", body: small, chunked: true},
		"POST":             {method: "POST", body: small},
		"POST, no body":    {method: "POST"},
		"POST, key":        {method: "POST", key: "k", body: small, again: true},
		"POST, key, large": {method: "POST", key: "k", body: large},
		"PATCH":            {method: "PATCH", body: small},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var heard []string
			instance := func(w http.ResponseWriter, r *http.Request) { // the first that is asked dies of it
				body, err := io.ReadAll(r.Body)
				mu.Lock()
				heard = append(heard, fmt.Sprint(r.Method, len(body), err))
				first := len(heard) == 1
				mu.Unlock()
				if first {
					panic(http.ErrAbortHandler)
				}
				_, _ = io.WriteString(w, "done")
			}
			e := newEdge(t, nil, handled(t, instance), handled(t, instance))
			c, r := dial(t, e.own)
			var ask strings.Builder
			fmt.Fprintf(&ask, "%s / HTTP/1.1\r\nHost: x\r\n", test.method)
			if test.key != "" {
				fmt.Fprintf(&ask, "Idempotency-Key: %s\r\n", test.key)
			}
			if test.chunked {
				fmt.Fprintf(&ask, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(test.body), test.body)
			} else {
				fmt.Fprintf(&ask, "Content-Length: %d\r\n\r\n%s", len(test.body), test.body)
			}
			if _, err := io.WriteString(c, ask.String()); err != nil {
				t.Fatal(err)
			}
			a := answer(r, test.method)
			once := fmt.Sprint(test.method, len(test.body), nil)
			want, status, says := []string{once}, http.StatusBadGateway, "it is not known whether"
			if test.again {
				want, status, says = append(want, once), http.StatusOK, "done"
			}
			mu.Lock()
			defer mu.Unlock()
			if a.err != nil || a.status != status || !strings.Contains(a.body, says) || !slices.Equal(heard, want) {
				t.Errorf("%+v, and heard were %q; want %d and %q", a, heard, status, want)
			}
		})
	}
}
