package relay_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// An instance that keeps its connections and says nothing does not hold what may be repeated: a
// second attempt is made beside the first, and the first answer counts. What may not be waits.
func TestSilentInstanceIsJoinedByAnother(t *testing.T) {
	silent := make(chan struct{}, 64)
	stalled := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		silent <- struct{}{}
		_, _ = io.Copy(io.Discard, r)
	})
	well := handled(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, "well"+string(b))
	})
	e := newEdge(t, nil, stalled, well)
	met := false
	for i := 0; i < 20 && !met; i++ {
		c, r := dial(t, e.own)
		began := time.Now()
		_, _ = io.WriteString(c, "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		if a := answer(r, "PUT"); a.err != nil || a.body != "wellabc" {
			t.Fatalf("%+v", a)
		}
		select {
		case <-silent:
			met = true
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("it took %s", took)
			}
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if a := answer(r, "GET"); a.err != nil || a.body != "well" {
				t.Errorf("then %+v", a)
			}
		default:
		}
	}
	if !met {
		t.Fatal("no request went to the silent instance")
	}
	found := false
	for _, l := range e.lines() {
		found = found || strings.Contains(l, `"retries":1`) && strings.Contains(l, `"instance":"`+well+`"`)
	}
	if !found {
		t.Errorf("no second attempt is logged: %s", e.log)
	}
}
