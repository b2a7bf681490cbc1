package grammar

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func (r *Response) show() string {
	s := fmt.Sprintf("1.%d %d %q length=%d", r.Minor, r.Status, r.Reason, r.Length)
	for _, flag := range []struct {
		name string
		is   bool
	}{{"said", r.HasLength}, {"interim", r.Interim}, {"close", r.Close}, {"upgrade", r.Upgrade}, {"trailer", r.Trailer}} {
		if flag.is {
			s += " " + flag.name
		}
	}
	return s
}

// The sections are those of RFC 9112, where no other is named.
func TestAnswersThatAreRead(t *testing.T) {
	for section, test := range map[string]struct{ method, head, want string }{
		"4 a status line":                       {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", `1.1 200 "OK" length=5 said`},
		"4 no reason":                           {"GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", `1.1 200 "" length=0 said`},
		"4 no space either":                     {"GET", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", `1.1 404 "" length=0 said`},
		"4 a long reason":                       {"GET", "HTTP/1.1 500 caf\xc3\xa9 is  shut\r\nContent-Length: 0\r\n\r\n", `1.1 500 "café is  shut" length=0 said`},
		"4 a status that nobody knows":          {"GET", "HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n", `1.1 999 "x" length=0 said`},
		"6.3 until the end of the connection":   {"GET", "HTTP/1.1 200 OK\r\n\r\n", `1.1 200 "OK" length=-2 close`},
		"6.3 the same of HTTP/1.0":              {"GET", "HTTP/1.0 200 OK\r\n\r\n", `1.0 200 "OK" length=-2 close`},
		"9.3 HTTP/1.0":                          {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", `1.0 200 "OK" length=5 said close`},
		"9.3 HTTP/1.0 that stays":               {"GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", `1.0 200 "OK" length=5 said`},
		"9.6 close":                             {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", `1.1 200 "OK" length=5 said close`},
		"6.1 chunks":                            {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\n\r\n", `1.1 200 "OK" length=-1 trailer`},
		"6.3 HEAD":                              {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", `1.1 200 "OK" length=0 said`},
		"6.3 HEAD, chunks":                      {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", `1.1 200 "OK" length=0`},
		"6.3 HEAD, nothing said":                {"HEAD", "HTTP/1.1 200 OK\r\n\r\n", `1.1 200 "OK" length=0`},
		"6.3 304":                               {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", `1.1 304 "Not Modified" length=0 said`},
		"6.3 204":                               {"GET", "HTTP/1.1 204 No Content\r\n\r\n", `1.1 204 "No Content" length=0`},
		"6.3 204 of 0 bytes":                    {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", `1.1 204 "No Content" length=0 said`},
		"6.3 204 that announces a body":         {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", `1.1 204 "No Content" length=0 said close`},
		"6.3 204 that announces chunks":         {"GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", `1.1 204 "No Content" length=0 close`},
		"RFC 9110 15.3.6 205":                   {"GET", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", `1.1 205 "Reset Content" length=0 said`},
		"RFC 9110 15.2 100":                     {"PUT", "HTTP/1.1 100 Continue\r\n\r\n", `1.1 100 "Continue" length=0 interim`},
		"RFC 8297 103":                          {"GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", `1.1 103 "Early Hints" length=0 interim`},
		"RFC 9110 15.2.2 101":                   {"GET", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", `1.1 101 "Switching Protocols" length=0 upgrade`},
		"RFC 9110 15.2.2 101 to nothing":        {"GET", "HTTP/1.1 101 Switching Protocols\r\n\r\n", `1.1 101 "Switching Protocols" length=0`},
		"RFC 9110 10.1 fields of requests":      {"GET", "HTTP/1.1 200 OK\r\nHost: a\r\nHost: b\r\nExpect: c\r\nContent-Length: 0\r\n\r\n", `1.1 200 "OK" length=0 said`},
		"RFC 9110 7.6.1 fields of a connection": {"GET", "HTTP/1.1 200 OK\r\nConnection: a\r\nA: b\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n", `1.1 200 "OK" length=0 said`},
	} {
		t.Run(section, func(t *testing.T) {
			var r Response
			n, err := r.Parse([]byte(test.head+"next"), test.method)
			if err != nil || n != len(test.head) {
				t.Fatalf("%d of %d, %v", n, len(test.head), err)
			}
			if got := r.show(); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

var refusedAnswers = map[string]struct {
	head   string
	reason fault
}{
	"2.2 a bare LF":                     {"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", bareLF},
	"2.2 an empty line before it":       {"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", badStatusLine},
	"2.2 a bare CR in the reason":       {"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n", badStatusLine},
	"2.3 HTTP/2":                        {"HTTP/2.0 200 OK\r\n\r\n", badStatusLine},
	"2.3 HTTP/1.2":                      {"HTTP/1.2 200 OK\r\n\r\n", badStatusLine},
	"2.3 ICY":                           {"ICY 200 OK\r\n\r\n", badStatusLine},
	"4 two digits":                      {"HTTP/1.1 20\r\n\r\n", badStatusLine},
	"4 four digits":                     {"HTTP/1.1 2000 OK\r\n\r\n", badStatusLine},
	"4 letters":                         {"HTTP/1.1 2OO OK\r\n\r\n", badStatusLine},
	"4 a status below 100":              {"HTTP/1.1 099 OK\r\n\r\n", badStatusLine},
	"4 two spaces":                      {"HTTP/1.1  200 OK\r\n\r\n", badStatusLine},
	"4 a plus":                          {"HTTP/1.1 +20 OK\r\n\r\n", badStatusLine},
	"5.1 a space before the colon":      {"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", spaceInName},
	"5.2 obs-fold":                      {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", folded},
	"RFC 9110 5.5 NUL":                  {"HTTP/1.1 200 OK\r\nX: a\x00\r\nContent-Length: 0\r\n\r\n", badValue},
	"6.3 both length and chunks":        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", lengthAndChunks},
	"6.3 both, in an answer to nothing": {"HTTP/1.1 304 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", lengthAndChunks},
	"6.3 two lengths":                   {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", twoLengths},
	"6.3 a list of lengths":             {"HTTP/1.1 200 OK\r\nContent-Length: 5,5\r\n\r\n", badLength},
	"RFC 9110 8.6 a minus":              {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", badLength},
	"6.1 another coding":                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", otherCoding},
	"6.1 identity":                      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", otherCoding},
	"6.1 chunked twice":                 {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", badCoding},
	"6.1 chunks of HTTP/1.0":            {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", oldCoding},
	"a large head":                      {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 64<<10), longHead},
	"too many fields":                   {"HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", 101), manyFields},
	"no HTTP at all":                    {"220 smtp.example ESMTP\r\n\r\n", badStatusLine},
}

func TestAnswersThatAreRefused(t *testing.T) {
	for section, test := range refusedAnswers {
		t.Run(section, func(t *testing.T) {
			var r Response
			n, err := r.Parse([]byte(test.head), "GET")
			var f *Fault
			if n != 0 || !errors.As(err, &f) {
				t.Fatalf("%d, %v", n, err)
			}
			if f.Status != 502 || !errors.Is(err, test.reason.ofAnswer()) {
				t.Errorf("%d: %s; want 502: %s", f.Status, f, test.reason.ofAnswer())
			}
		})
	}
}

func TestAnswersInParts(t *testing.T) {
	heads := []string{"HTTP/1.1 200 OK\r\nConnection: x\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0 404\r\n\r\n"}
	for _, test := range refusedAnswers {
		if len(test.head) < 4<<10 {
			heads = append(heads, test.head)
		}
	}
	for _, head := range heads {
		var whole Response
		n, fault := whole.Parse([]byte(head), "GET")
		want := whole.show() + showFields(whole.Fields)
		for i := range len(head) {
			var r Response
			first, err := r.Parse([]byte(head[:i]), "GET")
			if err == nil && first == 0 {
				first, err = r.Parse(bytes.Clone([]byte(head)), "GET")
			}
			if first != n || err != fault { //nolint:errorlint // one fault is one pointer
				t.Fatalf("%q cut at %d: %d, %v; want %d, %v", head, i, first, err, n, fault)
			}
			if got := r.show() + showFields(r.Fields); err == nil && got != want {
				t.Fatalf("%q cut at %d: %s, want %s", head, i, got, want)
			}
		}
	}
}

func BenchmarkResponse(b *testing.B) {
	buf := []byte("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 23 Nov 2026 22:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 1024\r\nLast-Modified: Mon, 23 Nov 2026 21:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"0\"\r\nAccept-Ranges: bytes\r\n\r\n")
	var r Response
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		if n, err := r.Parse(buf, "GET"); n != len(buf) || err != nil {
			b.Fatal(n, err)
		}
	}
}
