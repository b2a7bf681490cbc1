package relay_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A client's trailers end at the edge on both engines, wherever they are cut: some programs
// take them for fields of the head, and so would believe who a client says that it is. The
// connection goes on.
func TestTrailersEndAtTheEdge(t *testing.T) {
	addr := handled(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %v, trailers %v, %q %q %q", body, err, r.Trailer, r.Header["Trailer"], r.Header["X-Auth-Subject"], r.Header["X-T"])
	})
	e := newEdge(t, nil, addr)
	const ask = "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Auth-Subject, X-T\r\n\r\n"
	const body = "3\r\nabc\r\n0\r\nX-Auth-Subject: root\r\nX-T: 1\r\n\r\n"
	const want = `abc <nil>, trailers map[], [] [] []`
	for engine, to := range map[string]string{"own": e.own, "net/http": e.other} {
		t.Run(engine, func(t *testing.T) {
			c, r := dial(t, to)
			for _, parts := range [][]string{
				{ask + body},
				{ask, body},
				{ask, body[:8], body[8:]},
				append([]string{ask}, strings.SplitAfter(body, "")...),
			} {
				for _, part := range parts {
					if _, err := io.WriteString(c, part); err != nil {
						t.Fatal(err)
					}
				}
				if a := answer(r, "PUT"); a.err != nil || a.body != want || a.closes {
					t.Errorf("in %d parts: %+v, want %s", len(parts), a, want)
				}
			}
		})
	}
}
