package local_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/local"
)

// Who waits to be asked for a body, and goes away once the answer has begun, gives its
// place among the calls to the service back.
func TestPlacesOfClientsThatHungUp(t *testing.T) {
	f := newFleet()
	f.serve(t, "beta", func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(w, r.Body)
	})
	f.View("beta").SetSettings(discovery.Settings(`{"bulkhead":{"max":2}}`))
	addr := start(t, f, local.Config{})
	for range 2 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "POST /beta/stream HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
		if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", res, err)
		}
		_ = c.Close()
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(10 * time.Second)
	for {
		res, text := get(t, http.DefaultClient, request(t, "http://"+addr+"/beta/x"))
		if res.StatusCode == http.StatusOK {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("both places are still taken: %s %s", res.Status, text)
		}
	}
}
