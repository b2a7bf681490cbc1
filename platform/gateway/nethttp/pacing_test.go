package nethttp_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/nethttp"
	"github.com/musterdev/muster/platform/gateway/pace"
)

// zeros is a body of so many bytes, that knows how many were taken of it.
type zeros struct {
	size  int64
	taken atomic.Int64
}

func (z *zeros) Read(p []byte) (int, error) {
	left := z.size - z.taken.Load()
	if left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), left)
	z.taken.Add(n)
	return int(n), nil
}

func overHTTP2(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: &http.Protocols{}}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func post(c *http.Client, url string, body io.Reader) string {
	res, err := c.Post(url, "text/plain", body)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// A client of HTTP/2 that cannot send a body, as another of its connection lies at the edge, is
// not slow; one that can and does not is, whatever lies at the edge for other clients.
func TestSharedConnection(t *testing.T) {
	t.Parallel()
	const size, from = 3 << 20, 600 * time.Millisecond
	begun, release := make(chan struct{}), make(chan struct{})
	_, addr := start(t, nethttp.Config{Least: pace.Least{Rate: 64 << 10, From: from}}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			close(begun)
			<-release
		}
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, errors.Is(err, os.ErrDeadlineExceeded))
	})
	client, url := overHTTP2(t), "http://"+addr
	held := &zeros{size: size}
	var asking sync.WaitGroup
	asking.Go(func() {
		if got := post(client, url+"/held", held); got != fmt.Sprint(size, false) {
			t.Errorf("what lay there: %s", got)
		}
	})
	<-begun
	for over := time.After(10 * time.Second); held.taken.Load() < 1<<20; { // the window of the connection
		select {
		case <-over:
			t.Fatalf("only %d bytes were taken", held.taken.Load())
		case <-time.After(time.Millisecond):
		}
	}
	asking.Go(func() {
		if got := post(client, url+"/waits", strings.NewReader("abc")); got != fmt.Sprint(3, false) {
			t.Errorf("who waited for it: %s", got)
		}
	})
	slow, end := io.Pipe()
	if got := post(overHTTP2(t), url+"/slow", slow); got != fmt.Sprint(0, true) {
		t.Errorf("who sends nothing, on another connection: %s", got)
	}
	_ = end.Close()
	released := time.After(from) // twice its time in all
	<-released
	close(release)
	asking.Wait()
}

// Whoever is slow is told so by the error of a read, in both protocols; a rate that the handler
// sets takes the place of the engine's.
func TestLeastRate(t *testing.T) {
	t.Parallel()
	const from = 300 * time.Millisecond
	_, addr := start(t, nethttp.Config{Least: pace.Least{Rate: 1000, From: from}}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/free" {
			body, ok := r.Body.(interface{ LeastRate(rate int64) })
			if !ok {
				t.Error("no other rate can be set")
				return
			}
			body.LeastRate(-1)
		}
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, errors.Is(err, os.ErrDeadlineExceeded))
	})
	old := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(old.CloseIdleConnections)
	for path, want := range map[string]string{"/slow": "true", "/free": "2 false"} {
		for name, client := range map[string]*http.Client{"HTTP/1": old, "HTTP/2": overHTTP2(t)} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				body, to := io.Pipe()
				go func() {
					_, _ = io.WriteString(to, "a")
					tick := time.After(3 * from)
					<-tick
					_, _ = io.WriteString(to, "b")
					_ = to.Close()
				}()
				if got := post(client, "http://"+addr+path, body); !strings.HasSuffix(got, want) {
					t.Errorf("%s, want %s", got, want)
				}
			})
		}
	}
}
