package http1_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/http1/grammar"
)

// hello is the least that a session does.
type hello struct{}

func (hello) Serve(t *http1.Turn) {
	text := fmt.Sprintf("hello from %s\n", t.Head.Path)
	out := fmt.Appendf(t.Out[:0], "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n", len(text))
	if !t.Persists() {
		out = append(out, "Connection: close\r\n"...)
	}
	_, _ = t.Write(fmt.Appendf(out, "\r\n%s", text))
}

func (hello) Refuse(t *http1.Turn, f *grammar.Fault) {
	_, _ = t.Write(fmt.Appendf(t.Out[:0], "HTTP/1.1 %d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", f.Status))
}

// closing is an engine that takes over nothing.
type closing struct{}

func (closing) Take(c net.Conn) { _ = c.Close() }

func Example() {
	engine := http1.New(http1.Config{Session: func() http1.Session { return hello{} }, Other: closing{}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- engine.Serve(l) }()

	res, err := http.Get("http://" + l.Addr().String() + "/a")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	fmt.Print(string(text))
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(engine.Shutdown(context.Background()), <-served)
	// Output:
	// hello from /a
	// <nil> <nil>
}
