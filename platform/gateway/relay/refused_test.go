package relay_test

import (
	"io"
	"net"
	"strings"
	"testing"
)

// What the edge answers itself is a message as strict as those it takes: a proxy in front of
// it, and another edge, refuses one that says its length twice.
func TestARefusalIsOneMessage(t *testing.T) {
	e := newEdge(t, nil)
	for _, method := range []string{"GET", "HEAD"} {
		c, err := net.Dial("tcp", e.own)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, method+" /a%20b%2f HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		said, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(said), "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 400 ") || strings.Count(head, "Content-Length:") != 1 {
			t.Errorf("%s: %s", method, head)
		}
		if want := `"instance":"/a%20b%2f"`; method == "GET" && !strings.Contains(body, want) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
}
