package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// talk is a connection to the edge.
type talk struct {
	t *testing.T
	net.Conn

	to *entrance
	in *bufio.Reader
}

func newTalk(t *testing.T, to *entrance) *talk {
	t.Helper()
	c, err := to.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &talk{t, c, to, bufio.NewReader(c)}
}

func (c *talk) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c, strings.ReplaceAll(format, "\n", "\r\n"), args...); err != nil {
		c.t.Fatal(err)
	}
}

// answer reads one, of a request with a method.
func (c *talk) answer(method string) (*http.Response, string, error) {
	c.t.Helper()
	res, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// want reads an answer and compares it.
func (c *talk) want(method string, status int, body string) *http.Response {
	c.t.Helper()
	res, got, err := c.answer(method)
	if err != nil || res.StatusCode != status || got != body {
		c.t.Errorf("answered %d %.200q, %v; not %d %q", res.StatusCode, got, err, status, body)
	}
	return res
}

// problem reads an answer of the edge itself.
func (c *talk) problem(status int, code string) *http.Response {
	c.t.Helper()
	res, got, err := c.answer("GET")
	if err != nil || res.StatusCode != status || !strings.Contains(got, `"code":"`+code+`"`) || res.Header.Get("Content-Type") != "application/problem+json" {
		c.t.Errorf("answered %d %.300q, %v; not %d %s", res.StatusCode, got, err, status, code)
	}
	return res
}

// ended reads until the connection's end.
func (c *talk) ended() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		c.t.Errorf("the connection does not end: %q, %v", rest, err)
	}
}
