package desync

import (
	"fmt"
	"slices"
	"strings"
)

// Message is what one client sends on one connection.
type Message struct {
	Name  string // what is odd about it; unique
	Bytes string
}

// Tail is a request that must only be seen by whoever reads it behind another one.
const Tail = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

// Requests returns the corpus. Some of it is valid.
func Requests() []Message {
	return slices.Concat(lineEnds(), requestLines(), hosts(), targets(), lengths(), codings(), chunks(), trailers(),
		connections(), switches(), expectations(), bodies(), names(), versions(), pipelines(), sizes())
}

// family makes messages of what differs, each put into a form with one %s.
func family(name, form string, differ ...string) (messages []Message) {
	for i, d := range differ {
		messages = append(messages, Message{fmt.Sprintf("%s %d", name, i+1), strings.Replace(form, "%s", d, 1)})
	}
	return messages
}

func lineEnds() []Message {
	return slices.Concat(
		family("line ends", "%s",
			"GET /a HTTP/1.1\nHost: x\n\n"+Tail,
			"GET /a HTTP/1.1\r\nHost: x\n\r\n"+Tail,
			"GET /a HTTP/1.1\nHost: x\r\n\r\n"+Tail,
			"GET /a HTTP/1.1\r\nHost: x\r\n\n"+Tail,
			"GET /a HTTP/1.1\r\nHost: x\r\n\r"+Tail,
			"GET /a HTTP/1.1\rHost: x\r\r"+Tail,
			"GET /a HTTP/1.1\r\r\nHost: x\r\n\r\n"+Tail,
			"GET /a HTTP/1.1\r\nHost: x\r\r\n\r\n"+Tail,
			"GET /a HTTP/1.1\r\n\r\nHost: x\r\n\r\n"+Tail,
			"GET /a HTTP/1.1\r\nHost: x\r\n\r\r\n"+Tail,
			"\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n"+Tail,
			"\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n"+Tail,
			"\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n"+Tail,
			"\rGET /a HTTP/1.1\r\nHost: x\r\n\r\n"+Tail,
			" \r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n"+Tail,
			"GET /a HTTP/1.1\r\nHost: x\x85\r\n\r\n"+Tail,
			"GET /a HTTP/1.1\r\nHost: x\xe2\x80\xa8X: y\r\n\r\n"+Tail,
			"GET /a HTTP/1.1\x0bHost: x\r\n\r\n"+Tail,
		),
		family("in a value", "GET /a HTTP/1.1\r\nHost: x\r\nX-A: %s\r\n\r\n"+Tail,
			"b\rX-B: c", "b\nX-B: c", "b\x00c", "\x00", "b\x0bc", "b\x0cc", "b\x7fc", "b\x1bc", "b\r", "\rb", "b\r\r\n c", "b\r\n\tc", "b\r\n c",
			"b\r\n\x0bTransfer-Encoding: chunked", "caf\xc3\xa9", "\xff\xfe", "b\tc", "\t b \t", "", "%0d%0aX-B: c", "\\r\\nX-B: c"),
	)
}

func requestLines() []Message {
	return slices.Concat(
		family("request line", "%s\r\nHost: x\r\n\r\n"+Tail,
			"GET  /a HTTP/1.1", "GET /a  HTTP/1.1", "GET /a HTTP/1.1 ", " GET /a HTTP/1.1", "GET\t/a HTTP/1.1", "GET /a\tHTTP/1.1", "GET /a",
			"GET", "GET /a b HTTP/1.1", "GET /a HTTP/1.1 /b HTTP/1.1", "GET /a HTTP/1.1\r\n /b HTTP/1.1", "GET HTTP/1.1", "GET  HTTP/1.1", "G\x00T /a HTTP/1.1",
			"get /a HTTP/1.1", "G\xc3\x8bT /a HTTP/1.1", "GET: /a HTTP/1.1", "GET,POST /a HTTP/1.1", "GET\x0b/a HTTP/1.1", "GET\xa0/a HTTP/1.1",
			"_GET /a HTTP/1.1", "SEARCH /a HTTP/1.1", "TRACE /a HTTP/1.1", "TRACK /a HTTP/1.1", "DEBUG /a HTTP/1.1", strings.Repeat("A", 300)+" /a HTTP/1.1"),
		family("method override", "POST /a HTTP/1.1\r\nHost: x\r\n%sContent-Length: 2\r\n\r\nhi"+Tail,
			"X-HTTP-Method-Override: GET\r\n", "X-Method-Override: HEAD\r\n"),
	)
}

func hosts() []Message {
	return slices.Concat(
		family("host", "GET /a HTTP/1.1\r\n%s\r\n"+Tail,
			"", "Host:\r\n", "Host: \r\n", "Host: x\r\nHost: x\r\n", "Host: x\r\nHost: y\r\n", "Host: x\r\nhost: y\r\n", "Host : x\r\n", " Host: x\r\n",
			"Host: x\r\n Host: y\r\n", "X: a\r\n Host: y\r\nHost: x\r\n", "Host: x, y\r\n", "Host: x y\r\n", "Host: x/y\r\n", "Host: x?y\r\n", "Host: x#y\r\n", "Host: u@x\r\n",
			"Host: x\\y\r\n", "Host: x:\r\n", "Host: x:80:80\r\n", "Host: x:8o\r\n", "Host: x:99999\r\n", "Host: x:-1\r\n", "Host: :80\r\n", "Host: [::1]\r\n", "Host: [::1\r\n",
			"Host: ::1\r\n", "Host: [::1]:80\r\n", "Host: [::1]x\r\n", "Host: x\x00.y\r\n", "Host: x.\r\n", "Host: .x\r\n", "Host: x..y\r\n", "Host: X\r\n", "Host: %78\r\n", "Host: x\xc3\xa9\r\n",
			"Host: http://x\r\n", "Host: x\r\nX-Forwarded-Host: y\r\n", "Host: x\r\nX-Host: y\r\n", "Host: x\r\nForwarded: host=y\r\n", "Host: "+strings.Repeat("x", 300)+"\r\n",
			"Host\x00: x\r\n", "Host\xa0: x\r\n", "Host: x\r\nHost\r\n"),
	)
}

func targets() []Message {
	return slices.Concat(
		family("target", "GET %s HTTP/1.1\r\nHost: x\r\n\r\n"+Tail,
			"http://x/a", "HTTP://X/a", "https://x/a", "http://y/a", "http://x:80/a", "http://u@x/a", "http://x@y/a", "http://x", "http://x?q", "http:///a", "http:/a", "http:a", "http://", "://x/a",
			"ftp://x/a", "file:///etc/passwd", "gopher://x/a", "//y/a", "/a#b", "/a?b#c", "/a\\b", "/../a", "/a/../b", "/a/./b", "/a//b", "/%2e%2e/a", "/a%2fb", "/a%5cb", "/a%00", "/a%0d%0aX: y",
			"/a%", "/a%4", "/a%zz", "/a?%zz", "/a;b=c", "/a;/b", "/..;/a", "/caf\xc3\xa9", "/caf%c3%a9", "/a\x00", "/a\x7f", "/{a}", "/a|b", "/a^b", "/<a>", "/\"a\"", "/a?b c", "/a?x=http://y/", "a", "*", "x:80", "?a",
			"/a?"+strings.Repeat("b", 3000), "/:80@y/", "http://x\\@y/a", "http://x#@y/a", "http://x%00/a", "http://[::1]/a", "/%61"),
		family("target of all", "%s HTTP/1.1\r\nHost: x\r\n\r\n"+Tail, "OPTIONS *", "OPTIONS /a", "OPTIONS http://x", "POST *", "OPTIONS **"),
		[]Message{
			{"URL of HTTP/1.0", "GET http://y/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + Tail},
			{"URL and two hosts", "GET http://x/a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + Tail},
			{"URL without Host", "GET http://x/a HTTP/1.1\r\n\r\n" + Tail},
		},
	)
}

func lengths() []Message {
	hidden := fmt.Sprint(len(Tail))
	return slices.Concat(
		family("length", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n"+Tail,
			hidden, "+"+hidden, "-"+hidden, "0"+hidden, "0x"+fmt.Sprintf("%x", len(Tail)), hidden+".0", hidden+"e0", " "+hidden+" ", hidden+"\t", hidden+",", ","+hidden, hidden+", "+hidden,
			hidden+",0", "0,"+hidden, hidden+" 0", hidden+";a", "\""+hidden+"\"", "", "a", "0", "00", "-0", "-1", "18446744073709551616", "18446744073709551615", "9223372036854775807", "9223372036854775808", "4294967296",
			"999999999999999999", "1000000000000000000", strings.Repeat("9", 100), strings.Repeat("0", 100), "\x00"+hidden, hidden+"\x00", hidden+"\x0b", "\xd9\xa3\xd9\xa5", "3_5", hidden+"\r\nContent-Length: 0", "0\r\nContent-Length: "+hidden,
			hidden+"\r\nContent-Length: "+hidden, "0\r\ncontent-length: "+hidden, hidden+"\r\n 0", hidden+"\r\n\t"),
		family("length's name", "POST /a HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"+Tail,
			"Content-Length : "+hidden, "Content-Length\t: "+hidden, " Content-Length: "+hidden, "Content-Length:"+hidden, "Content_Length: "+hidden, "Content-Length\x00: "+hidden, "Content Length: "+hidden,
			"CONTENT-LENGTH: "+hidden, "Content-Length;: "+hidden, "Content-Length\r\n: "+hidden, "Content-Length\r\n : "+hidden, "X-Content-Length: "+hidden, "Content-Length\xa0: "+hidden, "\xef\xbb\xbfContent-Length: "+hidden,
			"Content-Length "+hidden, "Content-Length="+hidden, ":Content-Length: "+hidden, "Content-Length\x0b: "+hidden, "Content-Length:\r\n "+hidden, "HTTP_CONTENT_LENGTH: "+hidden),
	)
}
