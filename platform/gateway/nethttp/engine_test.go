package nethttp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/nethttp"
)

// start serves handler and returns the address.
func start(t *testing.T, cfg nethttp.Config, handler http.HandlerFunc) (*nethttp.Engine, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Handler = handler
	e := nethttp.New(cfg)
	served := make(chan error, 1)
	go func() { served <- e.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = e.Shutdown(ctx) // some tests have done so
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return e, l.Addr().String()
}

// dial writes text to a new connection and gives a test ten seconds to read.
func dial(t *testing.T, addr, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// closes waits until the peer closes, within the deadline of dial.
func closes(t *testing.T, r io.Reader) {
	t.Helper()
	if _, err := io.Copy(io.Discard, r); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection was left open")
	}
}

func ok(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "ok")
}

const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func TestBothProtocols(t *testing.T) {
	_, addr := start(t, nethttp.Config{}, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	for want, set := range map[string]func(*http.Protocols, bool){
		"HTTP/1.1": (*http.Protocols).SetHTTP1, "HTTP/2.0": (*http.Protocols).SetUnencryptedHTTP2,
	} {
		tr := &http.Transport{Protocols: &http.Protocols{}}
		set(tr.Protocols, true)
		res, err := (&http.Client{Transport: tr}).Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		tr.CloseIdleConnections()
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Clients that are slow on purpose lose their connection: at the header, between two
// requests, in a body.
func TestSlowClientsAreBounded(t *testing.T) {
	const short = 30 * time.Millisecond
	for name, test := range map[string]struct {
		cfg  nethttp.Config
		text string
	}{
		"header":       {nethttp.Config{HeaderTimeout: short}, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "},
		"idle":         {nethttp.Config{IdleTimeout: short}, request},
		"body, length": {nethttp.Config{StallTimeout: short, LingerTimeout: short}, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"},
		"body, chunks": {nethttp.Config{StallTimeout: short, LingerTimeout: short}, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"},
		"h2 preface":   {nethttp.Config{HeaderTimeout: short, IdleTimeout: short}, "PRI * HTTP/2.0\r\n\r\nSM"},
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := start(t, test.cfg, ok)
			_, r := dial(t, addr, test.text)
			closes(t, r)
		})
	}
}

// The rest of a body that nobody reads is waited for as long as LingerTimeout says;
// net/http alone would wait for ever.
func TestUnreadBodyIsBounded(t *testing.T) {
	_, addr := start(t, nethttp.Config{LingerTimeout: 30 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusForbidden)
	})
	_, r := dial(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
	line, err := r.ReadString('\n')
	if err != nil || !strings.Contains(line, "403") {
		t.Errorf("%q, %v", line, err)
	}
	closes(t, r)
}

// A body may come slowly, as long as something comes; and a handler may take its
// time after the body without the client counting as stalled.
func TestPatientWithProgress(t *testing.T) {
	const stall = 80 * time.Millisecond
	_, addr := start(t, nethttp.Config{StallTimeout: stall}, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		timer := time.NewTimer(2 * stall)
		defer timer.Stop()
		select {
		case <-timer.C:
			_, _ = fmt.Fprint(w, n, err)
		case <-r.Context().Done():
			t.Error("the client counts as gone")
		}
	})
	c, r := dial(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n")
	tick := time.NewTicker(stall / 2)
	defer tick.Stop()
	for range 6 { // three times the stall in all
		<-tick.C
		if _, err := io.WriteString(c, "a"); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(res.Body); string(got) != "6 <nil>" {
		t.Errorf("the handler read %s", got)
	}
}

// A client that takes nothing of its answer does not hold the handler for ever.
func TestSlowReaderIsBounded(t *testing.T) {
	failed := make(chan error, 1)
	_, addr := start(t, nethttp.Config{StallTimeout: 50 * time.Millisecond}, func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for {
			if _, err := w.Write(block); err != nil {
				failed <- err
				return
			}
		}
	})
	dial(t, addr, request)
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the write failed with %v", err)
	}
}

// What follows a body that cannot be read is never taken for a request.
func TestNoRequestAfterABadBody(t *testing.T) {
	for name, body := range map[string]string{
		"bad chunk":   "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"cut chunk":   "Transfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n",
		"bad trailer": "Transfer-Encoding: chunked\r\n\r\n0\r\nbad\r\n\r\n",
	} {
		for _, early := range []bool{false, true} { // whether the answer overtakes the body
			t.Run(fmt.Sprint(name, early), func(t *testing.T) {
				_, addr := start(t, nethttp.Config{LingerTimeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/smuggled" {
						t.Error("the rest of a body was served as a request")
					}
					_ = http.NewResponseController(w).EnableFullDuplex()
					if !early {
						_, _ = io.Copy(io.Discard, r.Body)
					}
					w.WriteHeader(http.StatusBadRequest)
				})
				_, r := dial(t, addr, "POST / HTTP/1.1\r\nHost: x\r\n"+body+"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
				closes(t, r)
			})
		}
	}
}

func TestHeaderBombIsRefused(t *testing.T) {
	_, addr := start(t, nethttp.Config{MaxHeaderBytes: 4 << 10}, ok)
	_, r := dial(t, addr, "GET / HTTP/1.1\r\nHost: x\r\nX-Big: "+strings.Repeat("a", 16<<10)+"\r\n\r\n")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%v, %v", res, err)
	}
}

// What is in flight when the end comes is finished, a connection that switched
// protocols too; new connections find nobody.
// A mistake of ours is not one of the many things that go wrong with connections.
func TestPanicIsSeen(t *testing.T) {
	var log bytes.Buffer
	cfg := nethttp.Config{Log: slog.New(slog.NewTextHandler(&log, nil))}
	e, addr := start(t, cfg, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		panic("a mistake")
	})
	for _, path := range []string{"/abort", "/x"} {
		_, r := dial(t, addr, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if b, err := io.ReadAll(r); err != nil || len(b) != 0 {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, `panic="a mistake"`) ||
		!strings.Contains(got, "path=/x") || !strings.Contains(got, "engine_test.go") {
		t.Errorf("logged: %s", got)
	}
}

func TestShutdownWaits(t *testing.T) {
	for _, upgraded := range []bool{false, true} {
		begun, release := make(chan struct{}), make(chan struct{})
		e, addr := start(t, nethttp.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			if upgraded {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				close(begun)
				<-release
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\nfinished")
				_ = c.Close()
				return
			}
			close(begun)
			<-release
			_, _ = io.WriteString(w, "finished")
		})
		_, r := dial(t, addr, request)
		<-begun
		ended := make(chan error, 1)
		go func() { ended <- e.Shutdown(context.Background()) }()
		for { // wait until it has begun
			c, err := net.Dial("tcp", addr)
			if err != nil {
				break
			}
			_ = c.Close()
		}
		select {
		case err := <-ended:
			t.Errorf("upgraded %v: ended with a request in flight: %v", upgraded, err)
		default:
		}
		close(release)
		if got, _ := io.ReadAll(r); !strings.Contains(string(got), "finished") {
			t.Errorf("upgraded %v: the client got %q", upgraded, got)
		}
		if err := <-ended; err != nil {
			t.Errorf("upgraded %v: Shutdown: %v", upgraded, err)
		}
	}
}

// What does not finish is cut off at the bound, and hears of it.
func TestShutdownCuts(t *testing.T) {
	for _, upgraded := range []bool{false, true} {
		begun := make(chan struct{})
		e, addr := start(t, nethttp.Config{}, func(w http.ResponseWriter, r *http.Request) {
			if upgraded {
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
			}
			close(begun)
			<-r.Context().Done()
		})
		_, r := dial(t, addr, request)
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := e.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("upgraded %v: Shutdown: %v", upgraded, err)
		}
		cancel()
		closes(t, r)
	}
}

func ExampleEngine() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	e := nethttp.New(nethttp.Config{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "hello", r.URL.Path)
	})})
	served := make(chan error)
	go func() { served <- e.Serve(l) }()

	res, err := http.Get("http://" + l.Addr().String() + "/there")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.Copy(os.Stdout, res.Body)
	_ = res.Body.Close()
	fmt.Println(e.Shutdown(context.Background()), <-served)
	// Output:
	// hello /there
	// <nil> <nil>
}
