package desync_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/platform/gateway/http1/desync"
	"github.com/musterdev/muster/platform/gateway/route"
)

// Whatever the edge answers is one line of its access log, with the same status.
func TestEachRefusalIsOneLogLine(t *testing.T) {
	r := record(t)
	g := start(t, r.addr, r)
	want := map[int]int{}
	for _, m := range desync.Requests() {
		means := read([]byte(m.Bytes))
		if means.handed || means.half {
			continue // what net/http refuses by itself is in no log; half a request may be refused, or be waited for
		}
		answers, err := g.converse([]byte(m.Bytes), means.requests, means.fault != nil)
		if err != nil {
			t.Fatal(m.Name, err)
		}
		for _, a := range answers {
			want[a.status]++
		}
	}
	g.end()
	got := map[int]int{}
	for line := range bytes.Lines(g.log.Bytes()) {
		var entry struct {
			Status int
			Error  string
		}
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if entry.Status != 499 { // a client that went away in the middle of a request
			got[entry.Status]++
		}
		if entry.Status >= 400 && entry.Error == "" {
			t.Errorf("no reason: %.300s", line)
		}
	}
	for _, status := range append(refusals, 200, 404, 405) {
		if got[status] != want[status] {
			t.Errorf("%d log lines of %d, %d answers", got[status], status, want[status])
		}
	}
}

// A client that sends without end gets its answer, and no memory.
func TestBombsTakeNoMemory(t *testing.T) {
	r := record(t)
	g := start(t, r.addr, r)
	for what, head := range map[string]string{
		"fields":      "GET /a HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 200_000),
		"a value":     "GET /a HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("b", 2<<20),
		"a target":    "GET /" + strings.Repeat("a", 2<<20),
		"trailers":    "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X-A: b\r\n", 200_000),
		"a chunk":     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 2<<20),
		"empty lines": strings.Repeat("\r\n", 1<<20),
	} {
		before := heap()
		var clients sync.WaitGroup
		for range 30 {
			clients.Go(func() {
				answers, err := g.converse([]byte(head), nil, true)
				if err != nil || len(answers) != 1 || answers[0].status < 400 || !answers[0].last {
					t.Errorf("%s: %+v, %v", what, answers, err)
				}
			})
		}
		clients.Wait()
		if grown := heap() - before; grown > 4<<20 {
			t.Errorf("%s: the heap grew by %d bytes", what, grown)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A body beyond its route's bound is 413, at once where its length says it; what was sent of it
// is no request.
func TestLargeBodiesAreRefused(t *testing.T) {
	r := record(t)
	g := start(t, r.addr, r, func(to *route.Route) { to.MaxBody = 100 })
	for what, message := range map[string]string{
		"a length":            "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999999999\r\n\r\n",
		"a length and a body": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n" + strings.Repeat("a", 101),
		"chunks":              "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + strings.Repeat("a", 101) + "\r\n0\r\n\r\n" + desync.Tail,
		"small chunks":        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", 101) + "0\r\n\r\n" + desync.Tail,
		"an expectation":      "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n",
	} {
		answers, err := g.converse([]byte(message), []request{{method: http.MethodPost}}, false)
		if err != nil || answers[0].status != http.StatusRequestEntityTooLarge || !answers[0].last && what != "a length and a body" {
			t.Errorf("%s: %+v, %v", what, answers, err)
		}
		if seen, _ := r.take(); len(seen) > 0 {
			t.Errorf("%s: the instance saw %v", what, seen)
		}
	}
}
