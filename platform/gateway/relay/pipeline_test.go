package relay_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// recorder is an instance that notes the requests it sees.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	body, err := io.ReadAll(in.Body)
	r.mu.Lock()
	r.seen = append(r.seen, fmt.Sprintf("%s %s %s %q %v %v %v", in.Method, in.RequestURI, in.Host, body, err, in.Header.Values("X-A"), in.Trailer))
	r.mu.Unlock()
	_, _ = fmt.Fprintf(w, "%s %d", in.RequestURI, len(body))
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.seen = nil }()
	return r.seen
}

// conversation makes requests of the bytes that a fuzzer gives.
func conversation(script []byte) (said string, n int) {
	var b strings.Builder
	for i := 0; i+3 < len(script) && n < 6; i += 4 {
		kind, size, fields, more := script[i]%7, int(script[i+1])*int(script[i+2]), script[i+2]%4, script[i+3]
		method := []string{"GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH"}[kind]
		fmt.Fprintf(&b, "%s /r%d?q=%d HTTP/1.1\r\nHost: h%d\r\n", method, n, size, fields)
		for f := range fields {
			fmt.Fprintf(&b, "X-A:%s v%d \r\n", strings.Repeat(" ", int(f)), f)
		}
		body := strings.Repeat("b", size)
		switch {
		case more%3 == 0 && size > 0:
			fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n")
			for step := int(more) + 1; body != ""; body = body[min(step, len(body)):] {
				fmt.Fprintf(&b, "%x\r\n%s\r\n", min(step, len(body)), body[:min(step, len(body))])
			}
			fmt.Fprintf(&b, "0\r\nX-T: %d\r\n\r\n", n)
		case more%3 == 1 || size > 0:
			fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", size, body)
		default:
			b.WriteString("\r\n")
		}
		n++
	}
	return b.String(), n
}

// FuzzConversation has the same bytes, cut anywhere, read by this engine and by net/http: the
// instance sees the same requests, and the client gets as many answers.
func FuzzConversation(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 10, 10, 0, 2, 200, 200, 1, 3, 0, 1, 2}, uint16(1))
	f.Add([]byte{1, 255, 255, 0, 0, 0, 0, 0, 1, 1, 1, 0}, uint16(1400))
	f.Add([]byte{2, 255, 255, 2, 1, 100, 164, 2, 6, 1, 16, 255, 4, 3, 3, 3, 5, 5, 5, 5}, uint16(16384))
	f.Add([]byte{1, 128, 128, 1, 1, 128, 128, 1, 0, 0, 0, 0}, uint16(7))
	rec := &recorder{}
	e := newEdge(f, nil, handled(f, rec.ServeHTTP))
	f.Fuzz(func(t *testing.T, script []byte, cut uint16) {
		said, n := conversation(script)
		size := int(cut) + 1
		if len(said)/size > 500 {
			size = len(said)/500 + 1
		}
		run := func(addr string) (answers, seen []string) {
			c, r := dial(t, addr)
			defer c.Close()
			go func() {
				for left := said; left != ""; left = left[min(size, len(left)):] {
					if _, err := io.WriteString(c, left[:min(size, len(left))]); err != nil {
						return // the answers tell
					}
				}
			}()
			for i := range n {
				method := "GET"
				if script[4*i]%7 == 3 {
					method = "HEAD"
				}
				a := answer(r, method)
				answers = append(answers, fmt.Sprint(a.status, a.body, a.closes, a.err))
			}
			return answers, rec.take()
		}
		answers, seen := run(e.own)
		wantAnswers, want := run(e.other)
		if !slices.Equal(answers, wantAnswers) {
			t.Errorf("answered %q\nby net/http %q", answers, wantAnswers)
		}
		if !slices.Equal(seen, want) {
			t.Errorf("the instance saw %.300q\nby net/http %.300q", seen, want)
		}
	})
}
