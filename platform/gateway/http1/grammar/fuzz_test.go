package grammar

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/desync"
)

// What is accepted reads the same in net/http, to the last byte; it renders to itself; and
// how it was cut means nothing.
func FuzzRequest(f *testing.F) {
	for _, test := range refusedRequests {
		if len(test.head) < 4<<10 {
			f.Add([]byte(test.head))
		}
	}
	f.Add([]byte(browser))
	f.Add([]byte("\r\nPOST http://a.b/c?d HTTP/1.1\r\nHost: A.b\r\nContent-Length: 3\r\nConnection: x, close\r\nX: y\r\n\r\nabcGET / HTTP/1.0\r\n\r\n"))
	f.Add([]byte("PUT /a HTTP/1.1\r\nHost: [::1]:80\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\nGET"))
	f.Fuzz(readsTheSame)
}

// The same of what is known to be read differently, and of what can be made of it.
func TestWhatIsReadDifferently(t *testing.T) {
	corpus := desync.Requests()
	for _, m := range corpus {
		t.Run(m.Name, func(t *testing.T) { readsTheSame(t, []byte(m.Bytes)) })
	}
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	for range 5000 {
		m := corpus[r.IntN(len(corpus))].Bytes
		if len(m) > 4<<10 {
			continue
		}
		mutant := desync.Mutate(r, []byte(m), corpus)
		if !t.Run("", func(t *testing.T) { readsTheSame(t, mutant) }) {
			t.Fatalf("%q", mutant)
		}
	}
}

func readsTheSame(t *testing.T, data []byte) {
	t.Helper()
	var r Request
	n, err := r.Parse(data)
	cutAnywhere(t, data, n, err, r.Reset, r.Parse, func() string {
		return r.show() + showFields(r.Fields)
	})
	if err != nil || n == 0 {
		return
	}
	if again, err := r.Parse(data); again != n || err != nil {
		t.Fatalf("the same again: %d, %v", again, err)
	}
	rendersToItself(t, data[:n], &r)
	rest := data[n:]
	body, trailers, ok := bodyOf(r.Length, &rest)
	if !ok {
		return
	}
	in := bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\r\n"))))
	theirs, err := http.ReadRequest(in)
	if err != nil {
		if Find(r.Fields, "trailer") != nil {
			return // names that it takes for no trailers
		}
		t.Fatalf("net/http refuses it: %v", err)
	}
	if theirs.Method != string(r.Method) || theirs.RequestURI != string(r.Target) || theirs.ProtoMinor != r.Minor ||
		!strings.EqualFold(theirs.Host, string(r.Host)) || theirs.URL.RawQuery != string(r.Query) {
		t.Fatalf("net/http reads %s %s %d of %q; here it is %s", theirs.Method, theirs.RequestURI, theirs.ProtoMinor, theirs.Host, r.show())
	}
	if theirs.ContentLength != r.Length {
		t.Fatalf("net/http reads a body of %d, here it is %d", theirs.ContentLength, r.Length)
	}
	if theirs.Close && !r.Close {
		t.Fatal("net/http closes the connection")
	}
	sameFields(t, theirs.Header, r.Fields, "Host")
	sameBody(t, theirs.Body, body)
	sameFields(t, theirs.Trailer, trailers)
	sameRest(t, in, rest)
}

func FuzzResponse(f *testing.F) {
	for _, test := range refusedAnswers {
		if len(test.head) < 4<<10 {
			f.Add([]byte(test.head), false)
		}
	}
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n\r\nabcHTTP/1.1 204 x\r\n\r\n"), true)
	f.Add([]byte("HTTP/1.1 206\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\nHTTP"), false)
	f.Add([]byte("HTTP/1.0 404 no\r\n\r\nabc"), false)
	f.Fuzz(func(t *testing.T, data []byte, head bool) {
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		var r Response
		n, err := r.Parse(data, method)
		cutAnywhere(t, data, n, err, r.Reset, func(part []byte) (int, error) { return r.Parse(part, method) }, func() string {
			return r.show() + showFields(r.Fields)
		})
		if err != nil || n == 0 {
			return
		}
		if _, err := r.Parse(data, method); err != nil {
			t.Fatal(err)
		}
		rest := data[n:]
		body, trailers, ok := bodyOf(r.Length, &rest)
		if !ok {
			return
		}
		in := bufio.NewReader(bytes.NewReader(data))
		theirs, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			if r.Trailer {
				return
			}
			t.Fatalf("net/http refuses it: %v", err)
		}
		if theirs.StatusCode != r.Status || theirs.ProtoMinor != r.Minor || theirs.Close && !r.Close {
			t.Fatalf("net/http reads %d of HTTP/1.%d, close %v; here it is %s", theirs.StatusCode, theirs.ProtoMinor, theirs.Close, r.show())
		}
		sameFields(t, theirs.Header, r.Fields, "Connection") // of which it drops "close"
		sameBody(t, theirs.Body, body)
		sameFields(t, theirs.Trailer, trailers)
		sameRest(t, in, rest)
	})
}

func FuzzChunks(f *testing.F) {
	for _, test := range refusedChunks {
		if len(test.body) < 4<<10 {
			f.Add([]byte(test.body), 3)
		}
	}
	f.Add([]byte("5\r\nhello\r\n00\r\nx: y\r\n\r\nGET"), 1)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		if piece < 1 {
			return
		}
		var whole, parts Chunks
		content, used, err := whole.read(string(data), len(data))
		parted, partly, inParts := parts.read(string(data), piece)
		if content != parted || used != partly || err != inParts || whole.Ended() != parts.Ended() { //nolint:errorlint // one fault is one pointer
			t.Fatalf("%q, %d, %v; in pieces %q, %d, %v", content, used, err, parted, partly, inParts)
		}
		parts.Reset()
		on, passed, inParts := parts.pass(string(data), piece)
		if used != passed || err != inParts || whole.Ended() != parts.Ended() || whole.Size != parts.Size { //nolint:errorlint // see above
			t.Fatalf("%d, %v; passed on %d, %v", used, err, passed, inParts)
		}
		if !whole.Ended() {
			return
		}
		if passed, _, err := new(Chunks).read(on+"0\r\n\r\n", piece); passed != content || err != nil {
			t.Fatalf("passed on as %q it reads %q, %v; want %q", on, passed, err, content)
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(data)))
		if err != nil || string(theirs) != content {
			t.Fatalf("net/http reads %q, %v; here it is %q", theirs, err, content)
		}
	})
}

// cutAnywhere parses data in two and in many parts and compares with how it reads as a whole.
func cutAnywhere(t *testing.T, data []byte, n int, err error, reset func(), parse func([]byte) (int, error), show func() string) {
	t.Helper()
	want := show()
	steps := []int{1, 7, max(1, len(data)/2)}
	if len(data) > 4<<10 {
		steps = []int{1000, len(data) / 2}
	}
	for _, step := range steps {
		reset()
		for have := 0; ; have = min(have+step, len(data)) {
			got, again := parse(bytes.Clone(data[:have]))
			if got == 0 && again == nil && have < len(data) {
				continue
			}
			if got != n || again != err { //nolint:errorlint // one fault is one pointer
				t.Fatalf("%d bytes, %v; in steps of %d: %d bytes, %v", n, err, step, got, again)
			}
			if err == nil && n > 0 && show() != want {
				t.Fatalf("%s; in steps of %d: %s", want, step, show())
			}
			break
		}
		reset()
	}
}

// rendersToItself writes what was parsed and parses it again.
func rendersToItself(t *testing.T, head []byte, r *Request) {
	t.Helper()
	render := func(r *Request) []byte {
		b := fmt.Appendf(nil, "%s %s HTTP/1.%d\r\n", r.Method, r.Target, r.Minor)
		for _, f := range r.Fields {
			b = fmt.Appendf(b, "%s: %s\r\n", f.Name, f.Value)
		}
		return append(b, "\r\n"...)
	}
	again := Request{Bounds: Bounds{MaxHead: 1 << 20}} // a space after each colon may be more
	rendered := render(r)
	n, err := again.Parse(rendered)
	if n != len(rendered) || err != nil || !bytes.Equal(render(&again), rendered) || again.show() != r.show() {
		t.Fatalf("%q renders as %q and reads as %s: %v", head, rendered, again.show(), err)
	}
}

// bodyOf cuts the body of a message off the bytes after its head. ok: it is all there.
func bodyOf(length int64, rest *[]byte) (body string, trailers []Field, ok bool) {
	switch {
	case length == UntilClose:
		body, *rest = string(*rest), nil
		return body, nil, true
	case length == Chunked:
		var c Chunks
		body, used, err := c.read(string(*rest), len(*rest))
		*rest = (*rest)[used:]
		return body, c.Trailers, err == nil && c.Ended()
	case length > int64(len(*rest)):
		return "", nil, false
	}
	body, *rest = string((*rest)[:length]), (*rest)[length:]
	return body, nil, true
}

// sameFields compares with a header of net/http, which has no place for some.
func sameFields(t *testing.T, theirs http.Header, ours []Field, not ...string) {
	t.Helper()
	want := http.Header{}
	for _, f := range ours {
		name := textproto.CanonicalMIMEHeaderKey(string(f.Name))
		want[name] = append(want[name], string(f.Value))
	}
	for _, name := range append(not, "Transfer-Encoding", "Trailer") {
		delete(want, name)
		delete(theirs, name)
	}
	if _, ok := want["Cache-Control"]; !ok && slices.Equal(want["Pragma"], []string{"no-cache"}) {
		delete(theirs, "Cache-Control") // its own
	}
	maps.DeleteFunc(theirs, func(_ string, values []string) bool { return values == nil }) // announced trailers
	if !maps.EqualFunc(theirs, want, slices.Equal[[]string]) {
		t.Fatalf("net/http reads the fields %q; here they are %q", theirs, want)
	}
}

func sameBody(t *testing.T, theirs io.ReadCloser, ours string) {
	t.Helper()
	got, err := io.ReadAll(theirs)
	if err != nil || string(got) != ours {
		t.Fatalf("net/http reads the body %q, %v; here it is %q", got, err, ours)
	}
}

func sameRest(t *testing.T, theirs io.Reader, ours []byte) {
	t.Helper()
	if got, err := io.ReadAll(theirs); err != nil || !bytes.Equal(got, ours) {
		t.Fatalf("net/http leaves %q, %v; here it is %q", got, err, ours)
	}
}
