package grammar

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// show says what was parsed, in one line.
func (r *Request) show() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", r.Method, [...]string{"origin", "absolute", "authority", "asterisk"}[r.Form], r.Path)
	if r.HasQuery {
		fmt.Fprintf(&b, " ?%s", r.Query)
	}
	fmt.Fprintf(&b, " 1.%d host=%s length=%d", r.Minor, r.Host, r.Length)
	for _, flag := range []struct {
		name string
		is   bool
	}{{"close", r.Close}, {"keep-alive", r.KeepAlive}, {"100", r.Expect100}, {"upgrade", r.Upgrade}, {"trailers", r.Trailers}} {
		if flag.is {
			b.WriteString(" " + flag.name)
		}
	}
	return b.String()
}

func showFields(fields []Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s=%q,%d", f.Name, f.Value, f.Kind)
		if f.Hop {
			b.WriteString(",hop")
		}
		b.WriteByte(';')
	}
	return b.String()
}

// The sections are those of RFC 9112, where no other is named.
func TestRequestsThatAreRead(t *testing.T) {
	for section, test := range map[string]struct{ head, want string }{
		"3 a request line":                        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin / 1.1 host=a length=0"},
		"2.2 one empty line before it":            {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin / 1.1 host=a length=0"},
		"2.3 HTTP/1.0":                            {"GET / HTTP/1.0\r\n\r\n", "GET origin / 1.0 host= length=0 close"},
		"9.3 HTTP/1.0 that stays":                 {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET origin / 1.0 host= length=0 keep-alive"},
		"9.3 close beside keep-alive":             {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive,\t ,CLOSE\r\n\r\n", "GET origin / 1.1 host=a length=0 close keep-alive"},
		"3.2.1 a query":                           {"GET /a?b=/c?%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin /a ?b=/c?%zz 1.1 host=a length=0"},
		"3.2.1 an empty query":                    {"GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin /a ? 1.1 host=a length=0"},
		"3.2.1 what must not be normalised":       {"GET //a/../%2e|{} HTTP/1.1\r\nHost: a\r\n\r\n", "GET origin //a/../%2e|{} 1.1 host=a length=0"},
		"3.2.2 a URL":                             {"GET http://A.b:80/p?q HTTP/1.1\r\nHost: a.B:80\r\n\r\n", "GET absolute /p ?q 1.1 host=a.B:80 length=0"},
		"3.2.2 a URL without a path":              {"GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n", "GET absolute / 1.1 host=a length=0"},
		"3.2.2 a URL with a query only":           {"GET http://a?b HTTP/1.1\r\nHost: a\r\n\r\n", "GET absolute / ?b 1.1 host=a length=0"},
		"3.2.2 a URL in HTTP/1.0":                 {"GET http://a/ HTTP/1.0\r\n\r\n", "GET absolute / 1.0 host=a length=0 close"},
		"3.2.3 a host and port":                   {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT authority  1.1 host=a:443 length=0"},
		"3.2.4 the server":                        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS asterisk  1.1 host=a length=0"},
		"3.2 an address":                          {"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "GET origin / 1.1 host=[::1]:8080 length=0"},
		"5.1 no space around a value":             {"GET / HTTP/1.1\r\nHost:a\r\n\r\n", "GET origin / 1.1 host=a length=0"},
		"5.1 white space around a value":          {"GET / HTTP/1.1\r\nhOST: \t a\t \r\n\r\n", "GET origin / 1.1 host=a length=0"},
		"6.2 a length":                            {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999\r\n\r\n", "POST origin / 1.1 host=a length=999999999999999999"},
		"6.1 chunks":                              {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", "POST origin / 1.1 host=a length=-1"},
		"RFC 9110 10.1.1 100-continue":            {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n", "PUT origin / 1.1 host=a length=1 100"},
		"RFC 9110 10.1.1 without a body":          {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "GET origin / 1.1 host=a length=0"},
		"RFC 9110 10.1.1 of HTTP/1.0":             {"PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n", "PUT origin / 1.0 host= length=1 close"},
		"RFC 9110 7.8 another protocol":           {"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET origin / 1.1 host=a length=0 upgrade"},
		"RFC 9110 7.8 not listed in Connection":   {"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "GET origin / 1.1 host=a length=0"},
		"RFC 9110 7.8 of HTTP/1.0":                {"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET origin / 1.0 host= length=0 close"},
		"RFC 9110 10.1.4 trailers":                {"GET / HTTP/1.1\r\nHost: a\r\nTE: gzip;q=1, Trailers\r\n\r\n", "GET origin / 1.1 host=a length=0 trailers"},
		"RFC 9110 9.1 a method that nobody knows": {"get-All / HTTP/1.1\r\nHost: a\r\n\r\n", "get-All origin / 1.1 host=a length=0"},
	} {
		t.Run(section, func(t *testing.T) {
			var r Request
			n, err := r.Parse([]byte(test.head + "next"))
			if err != nil || n != len(test.head) {
				t.Fatalf("%d of %d, %v", n, len(test.head), err)
			}
			if got := r.show(); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

func TestFieldsAreKeptInOrder(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a:\r\nConnection: x-b, te\r\nX-B: caf\xc3\xa9 \xff\tq\r\nTE: trailers\r\n" +
		"Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nTrailer: x\r\n" +
		"Proxy-Authorization: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\nX_A: 2\r\n\r\n"
	var r Request
	if n, err := r.Parse([]byte(head)); n != len(head) || err != nil {
		t.Fatal(n, err)
	}
	want := `Host="a",1;X-A="1",0;x-a="",0;Connection="x-b, te",4,hop;X-B="café \xff\tq",0,hop;TE="trailers",7,hop;` +
		`Keep-Alive="timeout=5",6,hop;Proxy-Connection="close",6,hop;Upgrade="h2c",10,hop;HTTP2-Settings="AA",10,hop;Trailer="x",8,hop;` +
		`Proxy-Authorization="a",9,hop;Expect="100-continue",3;Content-Length="0",2;X_A="2",0;`
	if got := showFields(r.Fields); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if f := Find(r.Fields, "x-a"); f == nil || string(f.Value) != "1" {
		t.Errorf("found %v", f)
	}
	if f := Find(r.Fields, "x-c"); f != nil {
		t.Errorf("found %v", f)
	}
}

func TestAHeadMayBeAsLargeAsItMay(t *testing.T) {
	for _, head := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 64<<10-32) + "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("a: b\r\n", 99) + "\r\n",
		"GET /" + strings.Repeat("a", 8<<10-1) + " HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		var r Request
		if n, err := r.Parse([]byte(head)); n != len(head) || err != nil {
			t.Errorf("%d of %d, %v", n, len(head), err)
		}
	}
	small := Request{Bounds: Bounds{MaxHead: 40, MaxTarget: 2, MaxFields: 2}}
	for head, want := range map[string]error{
		"GET /ab HTTP/1.1\r\nHost: a\r\n\r\n":             longTarget.ofRequest(),
		"GET / HTTP/1.1\r\nHost: a\r\na:b\r\nc:d\r\n\r\n": manyFields.ofRequest(),
		"GET / HTTP/1.1\r\nHost: a\r\na:bbbbbbbbbbb\r\n":  longHead.ofRequest(),
		"GET /b HTTP/1.1\r\nHost: a\r\na:b\r\n\r\n":       nil,
	} {
		if _, err := small.Parse([]byte(head)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", head, err, want)
		}
	}
}

func TestThePrefaceOfHTTP2(t *testing.T) {
	var r Request
	const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	for i := range len(preface) {
		if n, err := r.Parse([]byte(preface[:i])); n != 0 || err != nil {
			t.Fatalf("%q: %d, %v", preface[:i], n, err)
		}
	}
	if n, err := r.Parse([]byte(preface + "more")); n != 0 || !errors.Is(err, ErrPreface) {
		t.Errorf("%d, %v", n, err)
	}
}

// What is read does not depend on how it came, and no byte is looked at in vain: a fault is
// found with the line that has it, at the latest with the end of the head.
func TestRequestsInParts(t *testing.T) {
	heads := []string{
		"\r\nGET /a?b HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\nX: y\r\n\r\n",
		"POST http://a:1/ HTTP/1.0\r\nHost: a:1\r\nContent-Length: 7\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	}
	for _, test := range refusedRequests {
		if len(test.head) < 4<<10 {
			heads = append(heads, test.head)
		}
	}
	for _, head := range heads {
		var whole Request
		n, fault := whole.Parse([]byte(head))
		want := whole.show() + showFields(whole.Fields)
		for i := range len(head) {
			var r Request
			first, err := r.Parse([]byte(head[:i]))
			if err == nil && first == 0 {
				first, err = r.Parse(bytes.Clone([]byte(head))) // at another place
			}
			if first != n || err != fault { //nolint:errorlint // one fault is one pointer
				t.Fatalf("%q cut at %d: %d, %v; want %d, %v", head, i, first, err, n, fault)
			}
			if got := r.show() + showFields(r.Fields); err == nil && got != want {
				t.Fatalf("%q cut at %d: %s, want %s", head, i, got, want)
			}
		}
		var r Request
		for i := range len(head) + 1 {
			got, err := r.Parse([]byte(head[:i]))
			if err == nil && got == 0 {
				continue
			}
			if got != n || err != fault { //nolint:errorlint // one fault is one pointer
				t.Fatalf("%q byte by byte to %d: %d, %v; want %d, %v", head, i, got, err, n, fault)
			}
			break
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, head := range map[string]string{
		"wrk":     "GET /v1/products/p-1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
		"bearer":  "GET /v1/products HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer " + strings.Repeat("eyJhbGciOi", 60) + "\r\nAccept: */*\r\n\r\n",
		"browser": browser,
	} {
		b.Run(name, func(b *testing.B) {
			buf := []byte(head)
			var r Request
			b.ReportAllocs()
			b.SetBytes(int64(len(buf)))
			for b.Loop() {
				if n, err := r.Parse(buf); n != len(buf) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

const browser = "GET /shop/products?page=2&sort=price HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nSec-Fetch-Site: same-origin\r\n" +
	"Sec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\nReferer: https://shop.example.com/shop/products\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n"
