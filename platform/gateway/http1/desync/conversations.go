package desync

import (
	"fmt"
	"slices"
	"strings"
)

func connections() []Message {
	return family("connection", "GET /a HTTP/1.1\r\nHost: x\r\n%s\r\n"+Tail,
		"Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: close, keep-alive\r\n", "Connection: CLOSE\r\n", "Connection: x close\r\n", "Connection: ,,\r\n", "Connection:\r\n", "Connection: host\r\n", "Connection: content-length\r\nContent-Length: 0\r\n",
		"Connection: transfer-encoding\r\n", "Connection: authorization\r\nAuthorization: a\r\n", "Connection: cookie\r\nCookie: a\r\n", "Connection: x-forwarded-for\r\n", "Connection: X-Request-Id\r\n", "Connection: "+strings.Repeat("a,", 100)+"\r\n",
		"Proxy-Connection: close\r\n", "Keep-Alive: timeout=0\r\n", "Connection: close\r\nConnection: keep-alive\r\n", "Connection: \"close\"\r\n", "Connection: close;a\r\n", "TE: trailers\r\nConnection: TE\r\n", "Connection: \x00\r\n")
}

func switches() []Message {
	return slices.Concat(
		family("upgrade", "GET /a HTTP/1.1\r\nHost: x\r\n%s\r\n"+Tail,
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n", "Upgrade: websocket\r\n",
			"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", "Upgrade: h2c\r\nHTTP2-Settings: AA\r\n",
			"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n", "Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n", "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n", "Connection: Upgrade\r\nUpgrade:\r\n", "Connection: Upgrade\r\n",
			"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 4\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n", "Connection: Upgrade\r\nUpgrade: \x00\r\n",
			"Connection: Upgrade\r\nUpgrade: a\r\nUpgrade: websocket\r\n", "Connection: upgrade, close\r\nUpgrade: websocket\r\n"),
		// what comes behind a request that is read by another engine
		family("after an upgrade", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: none\r\n\r\n%s"+Tail,
			"GET /b HTTP/1.1\nHost: x\n\n", "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "POST /b HTTP/1.1\r\nHost: x\r\nContent_Length: 5\r\n\r\n",
			"GET /b HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", "GET /b HTTP/1.1\r\nHost: y/z\r\n\r\n", "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n", "GET http://y/b HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /b HTTP/1.1\r\nHost: x\r\nTransfer_Encoding: chunked\r\n\r\n", "\r\n"),
		family("tunnel", "%s\r\n\r\n"+Tail, "CONNECT x:80 HTTP/1.1\r\nHost: x:80", "CONNECT /a HTTP/1.1\r\nHost: x", "CONNECT x:80 HTTP/1.1\r\nHost: y:80", "CONNECT x HTTP/1.1\r\nHost: x", "CONNECT x:80 HTTP/1.0", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\nContent-Length: 5",
			"CONNECT * HTTP/1.1\r\nHost: x"),
		family("preface", "%s", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+Tail, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/1.1\r\nHost: x\r\n\r\nSM\r\n\r\n", "PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n", "\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "PRI * HTTP/2.0\r\nHost: x\r\n\r\nSM\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: x\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	)
}

func expectations() []Message {
	return family("expect", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n%s\r\nhi"+Tail,
		"Expect: 100-continue\r\n", "Expect: 100-CONTINUE\r\n", "Expect: 100-continue\r\nExpect: 100-continue\r\n", "Expect: 200-ok\r\n", "Expect: 100-continue, x\r\n", "Expect: y 100-continue\r\n", "Expect:\r\n", "Expect : 100-continue\r\n", "Expect: 100-continue\x00\r\n", "Expect:\r\n 100-continue\r\n", "Expect: x=y\r\n")
}

// bodies are on methods that seldom have one, so that somebody may not look for it.
func bodies() (messages []Message) {
	for _, method := range []string{"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PATCH", "FOO"} {
		messages = append(messages,
			Message{method + " with a length", fmt.Sprintf("%s /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, len(Tail), Tail)},
			Message{method + " with chunks", fmt.Sprintf("%s /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", method, len(Tail), Tail)},
			Message{method + " with an unsaid body", fmt.Sprintf("%s /a HTTP/1.1\r\nHost: x\r\n\r\n%s", method, Tail)},
			Message{method + " with a body that does not come", fmt.Sprintf("%s /a HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n%s", method, Tail)},
		)
	}
	return messages
}

func names() []Message {
	return slices.Concat(
		family("name", "GET /a HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"+Tail,
			": b", "X-A", "X-A b", "X@A: b", "X A: b", "X-A\x00: b", "X-A\x7f: b", "(X-A): b", "X/A: b", "X\"A: b", "X=A: b", "X[A]: b", "X{A}: b", "X,A: b", "X;A: b", "X<A>: b", "X?A: b", "X\\A: b", "X\xc3\xa9: b", "_X: b", "X_A: b", "X.A: b", "!#$%&'*+-.^_`|~: b", ":authority: y", ":path: /b",
			"X-A:: b", "x-a:b:c", "X-A: b\r\n\r\n\r\nX-B: c", strings.Repeat("X", 5000)+": b"),
		family("from outside", "GET /a HTTP/1.1\r\nHost: x\r\n%s: evil\r\n\r\n"+Tail,
			"X-Forwarded-For", "X_Forwarded_For", "x-forwarded_proto", "Forwarded", "X-Real-IP", "X-Original-URL", "X-Rewrite-URL", "X-Auth-Subject", "X_Auth_Subject", "x-auth_subject", "Proxy", "Remote-User", "X-Request-Id", "Via", "X-Muster-Caller", "True-Client-IP"),
	)
}

func versions() []Message {
	return slices.Concat(
		family("version", "GET /a %s\r\nHost: x\r\n\r\n"+Tail, "HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/3.0", "HTTP/1", "HTTP/1.", "HTTP/1.1.1", "HTTP/01.1", "HTTP/1.01", "HTTP/1.10", "HTTP/11", "HTTP/11.1", "http/1.1", "HTTPS/1.1", "HTTP /1.1", "HTTP/ 1.1", "HTTP/1 .1",
			"HTTP\\1.1", "HTTP/1,1", "HTTP/1.1\x00", "HTTP/+1.1", "HTTP/-1.1", "HTTP/1.1\t", "ICAP/1.0", "RTSP/1.0", "HTTP/\xef\xbc\x91.1", "HTTP/A.B"),
		family("HTTP/1.0", "POST /a HTTP/1.0\r\n%s\r\n0\r\n\r\n"+Tail, "", "Content-Length: 5\r\n", "Content-Length: 5\r\nConnection: keep-alive\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "Host: x\r\nHost: y\r\n",
			"Connection: keep-alive\r\n", "Expect: 100-continue\r\nContent-Length: 5\r\n", "Connection: upgrade\r\nUpgrade: websocket\r\n"),
		[]Message{{"a line of HTTP/0.9", "GET /a\r\n"}, {"a line of HTTP/0.9 and LF", "GET /a\n"}, {"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"}, {"SSH", "SSH-2.0-OpenSSH_9.2\r\n"}, {"SMTP", "EHLO x\r\n\r\n"}, {"nothing", "\r\n\r\n"}, {"a proxy's line", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + Tail}},
	)
}

func pipelines() []Message {
	post := "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	chunked := "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	return []Message{
		{"pipelined", strings.Repeat(Tail, 3)},
		{"pipelined, all kinds", Tail + post + chunked + "HEAD /d HTTP/1.1\r\nHost: x\r\n\r\n" + Tail},
		{"pipelined, many", strings.Repeat(Tail, 50)},
		{"pipelined, an empty line between", post + "\r\n" + Tail},
		{"pipelined, two empty lines between", post + "\r\n\r\n" + Tail},
		{"pipelined, LF between", post + "\n" + Tail},
		{"pipelined, junk between", post + "junk" + Tail},
		{"pipelined, a space between", post + " " + Tail},
		{"pipelined, NUL between", post + "\x00" + Tail},
		{"pipelined behind close", "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + Tail},
		{"pipelined behind HTTP/1.0", "GET /a HTTP/1.0\r\nHost: x\r\n\r\n" + Tail},
		{"pipelined, the last one bad", Tail + "GET /a HTTP/1.1\r\nHost : x\r\n\r\n" + Tail},
		{"pipelined, the last one half", Tail + "GET /a HTTP/1.1\r\nHost: x\r\n"},
		{"pipelined, the body half", Tail + "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhello"},
		{"pipelined, the chunk half", Tail + "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello"},
		{"pipelined behind an expectation", "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" + Tail},
		{"pipelined, another host", Tail + "GET /a HTTP/1.1\r\nHost: y\r\n\r\n"},
		{"pipelined, the preface", post + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"pipelined behind HEAD", "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + Tail},
	}
}

func sizes() []Message {
	get := func(fields string) string { return "GET /a HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + Tail }
	return []Message{
		{"a long path", "GET /" + strings.Repeat("a", 9000) + " HTTP/1.1\r\nHost: x\r\n\r\n" + Tail},
		{"a longer path", "GET /" + strings.Repeat("a", 100_000) + " HTTP/1.1\r\nHost: x\r\n\r\n" + Tail},
		{"a path without end", "GET /" + strings.Repeat("a", 100_000)},
		{"a large value", get("X-A: " + strings.Repeat("a", 60_000) + "\r\n")},
		{"a larger value", get("X-A: " + strings.Repeat("a", 100_000) + "\r\n")},
		{"a value without end", "GET /a HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 200_000)},
		{"a name without end", "GET /a HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("a", 200_000)},
		{"many fields", get(strings.Repeat("X-A: b\r\n", 99))},
		{"too many fields", get(strings.Repeat("X-A: b\r\n", 1000))},
		{"fields without end", "GET /a HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: b\r\n", 20_000)},
		{"empty lines without end", strings.Repeat("\r\n", 50_000)},
		{"a method without end", strings.Repeat("A", 200_000)},
		{"NUL without end", strings.Repeat("\x00", 200_000)},
		{"a chunk size without end", "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("0", 100_000)},
		{"an extension without end", "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;" + strings.Repeat("a", 100_000)},
		{"trailers without end", "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 20_000)},
		{"small chunks", "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\na\r\n", 5000) + "0\r\n\r\n" + Tail},
	}
}
