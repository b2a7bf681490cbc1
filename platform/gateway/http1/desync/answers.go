package desync

import (
	"fmt"
	"slices"
	"strings"
)

// Poison is an answer that nobody asked for: who gets it has been served another's.
const Poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Seen: poison\r\n\r\npoison" //nolint:dupword // of a message

// Answers returns what an instance may answer to a GET that is told to, and must not confuse
// whoever asked, nor the next one. Some of it is valid.
func Answers() []Message {
	return slices.Concat(
		family("status line", "%s\r\nContent-Length: 2\r\n\r\nok"+Poison,
			"HTTP/1.1 200 OK", "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.0 200 OK", "HTTP/2.0 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 -20 OK",
			"HTTP/1.1\t200 OK", "http/1.1 200 OK", "200 OK", "", "HTTP/1.1 200 O\x00K", "HTTP/1.1 200 O\rK", "\r\nHTTP/1.1 200 OK", "ICY 200 OK", "HTTP/1.1 999 What", "HTTP/1.1 600 What", "HTTP/1.1 200\r\n OK"),
		family("answer's framing", "HTTP/1.1 200 OK\r\n%s"+Poison,
			"Content-Length: 2\r\n\r\nok", "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", "Content-Length: 2, 2\r\n\r\nok", "Content-Length: +2\r\n\r\nok", "Content-Length: -2\r\n\r\nok", "Content-Length: 0x2\r\n\r\nok",
			"Content-Length:\r\n\r\nok", "Content-Length: 99999999999999999999\r\n\r\nok", "Content-Length : 2\r\n\r\nok", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
			"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", "Transfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
			"Transfer-Encoding: \x0bchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "Transfer-Encoding : chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2\r\nokX\r\n0\r\n\r\n",
			"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\n", "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok\r\n0\r\n\r\n",
			"\r\nok", "Connection: close\r\n\r\nok", "Connection: close\r\nContent-Length: 2\r\n\r\nok", "Content_Length: 2\r\n\r\nok"),
		family("answer's fields", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\n\r\nok"+Poison,
			"X-A: b\r\n c", "X-A : b", "X-A", ": b", "X-A: b\x00", "X-A: b\rX-B: c", "X-A: b\nX-B: c", "X@A: b", strings.Repeat("X-A: b\r\n", 500)+"X-B: c", "X-A: "+strings.Repeat("b", 100_000), "X-A: caf\xc3\xa9", "Connection: content-length", "Connection: x-a\r\nX-A: b", "Set-Cookie: a=b\r\nSet-Cookie: c=d",
			"Keep-Alive: timeout=1", "Upgrade: h2c", "Trailer: Content-Length", "X-Request-Id: mine", "Host: y"),
		family("answer without a body", "HTTP/1.1 %s\r\n\r\n"+Poison,
			"204 No Content", "204 No Content\r\nContent-Length: 0", fmt.Sprintf("204 No Content\r\nContent-Length: %d", len(Poison)), "204 No Content\r\nTransfer-Encoding: chunked", "304 Not Modified", fmt.Sprintf("304 Not Modified\r\nContent-Length: %d", len(Poison)), "304 Not Modified\r\nTransfer-Encoding: chunked",
			"205 Reset Content\r\nContent-Length: 0", "200 OK\r\nContent-Length: 0", "101 Switching Protocols", "101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket", "101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c"),
		family("interim answers", "%sHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"+Poison,
			"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 103 Early Hints\r\nX : y\r\n\r\n", "HTTP/1.1 100\r\n\r\n", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 2000)),
		family("no answer", "%s", "220 mail.example ESMTP\r\n", "\x15\x03\x03\x00\x02\x02\x16\r\n\r\n", "<html>\r\n\r\n", "\r\n\r\n\r\n", strings.Repeat("A", 200_000), "HTTP/1.1 200 OK\r\n"+strings.Repeat("X-A: b\r\n", 20_000)),
	)
}
