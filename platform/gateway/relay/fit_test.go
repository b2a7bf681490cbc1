package relay_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
)

// A connection whose instance said that it closes it is not used again, though it is still
// open: what is asked on it may be read by nobody.
func TestAConnectionThatIsToCloseIsNotUsedAgain(t *testing.T) {
	var connections atomic.Int64
	addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
		n := connections.Add(1)
		for head(r) { // as long as the edge asks
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n%d", n)
		}
	})
	e := newEdge(t, nil, addr)
	c, r := dial(t, e.own)
	for _, want := range []string{"1", "2", "3"} {
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n\r\n")
		if a := answer(r, "POST"); a.err != nil || a.body != want || a.closes {
			t.Errorf("%+v, want connection %s", a, want)
		}
	}
}

// A field that a program may take for the length of the body is refused by the one engine and
// dropped by the other.
func TestADisguisedLength(t *testing.T) {
	e := newEdge(t, nil, handled(t, func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if len(name) == len("Content-Length") {
				_, _ = io.WriteString(w, name)
			}
		}
	}))
	for to, want := range map[string]int{e.own: http.StatusBadRequest, e.other: http.StatusOK} {
		c, r := dial(t, to)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\ncontent_Length: 5\r\n\r\n")
		if a := answer(r, "GET"); a.err != nil || a.status != want || want == http.StatusOK && a.body != "" {
			t.Errorf("%+v, want %d", a, want)
		}
	}
}
