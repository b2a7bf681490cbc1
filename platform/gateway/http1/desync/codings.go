package desync

import (
	"fmt"
	"slices"
	"strings"
)

// codings are spellings of Transfer-Encoding that some take for chunked and others do not, alone
// and beside a length that says something else in either direction.
func codings() (messages []Message) {
	lines := []string{
		"Transfer-Encoding: chunked", "transfer-encoding: CHUNKED", "Transfer-Encoding:chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding:  chunked ", "Transfer-Encoding: chunked\t",
		"Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked", "\tTransfer-Encoding: chunked", "X: y\r\n Transfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: y\nTransfer-Encoding: chunked",
		"Transfer-Encoding: xchunked", "Transfer-Encoding: chunkedx", "Transfer-Encoding: chunk", "Transfer-Encoding: 'chunked'", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked;a=b", "Transfer-Encoding: chunked;q=0",
		"Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip", "Transfer-Encoding: identity", "Transfer-Encoding: gzip",
		"Transfer-Encoding:", "Transfer-Encoding: ,chunked", "Transfer-Encoding: chunked,", "Transfer-Encoding: , ,chunked", "Transfer-Encoding: chunked x", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
		"Transfer-Encoding: chunked\r\nTransfer-encoding: cow", "Transfer-Encoding:\r\n chunked", "Transfer-Encoding: chu\r\n nked", "Transfer-Encoding\r\n: chunked", "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: \x0cchunked", "Transfer-Encoding: chunked\x0b", "Transfer-Encoding: \x00chunked",
		"Transfer-Encoding: chunked\x00", "Transfer-Encoding: \xa0chunked", "Transfer-Encoding: \x85chunked", "Transfer-Encoding: chunk\xc3\xa9d", "Transfer-Encoding: chun\u212aed", "Transfer_Encoding: chunked", "TransferEncoding: chunked", "Transfer Encoding: chunked",
		"Transfer-Encoding\x00: chunked", "Transfer-Encoding\xa0: chunked", "X-Transfer-Encoding: chunked", "Transfer-Encoding;: chunked", "Transfer-Encoding = chunked", "Transfer-Encoding chunked", "Foo: bar\r\n\x0bTransfer-Encoding: chunked", "\xef\xbb\xbfTransfer-Encoding: chunked",
		"Content-Encoding: chunked", "TE: chunked", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", "Trailer: Transfer-Encoding\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r", "Transfer-Encoding: {chunked}",
		"Transfer-%45ncoding: chunked", "\"Transfer-Encoding\": chunked", "Transfer-Encoding: chunked\r\r\nX: y", "HTTP_TRANSFER_ENCODING: chunked", "Transfer-Encoding: chunked\r\nContent-Encoding: gzip",
	}
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(Tail), Tail)
	for i, line := range lines {
		messages = append(messages,
			Message{fmt.Sprintf("coding %d alone", i+1), "POST /a HTTP/1.1\r\nHost: x\r\n" + line + "\r\n\r\n" + chunked},
			// a length that ends before the chunks do, and one that ends after them
			Message{fmt.Sprintf("coding %d before a length", i+1), "POST /a HTTP/1.1\r\nHost: x\r\n" + line + "\r\nContent-Length: 4\r\n\r\n" + chunked},
			Message{fmt.Sprintf("coding %d after a length", i+1), fmt.Sprintf("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n\r\n0\r\n\r\n%s", 5+len(Tail), line, Tail)},
		)
	}
	return messages
}

func chunks() []Message {
	const head = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	return slices.Concat(
		family("chunk size", head+"%s\r\nhello\r\n0\r\n\r\n"+Tail,
			"5", "05", "0000000000000005", "00000000000000005", "0x5", "+5", "-5", " 5", "5 ", "5\t", "5\x00", "\x005", "5\x0b", "5h", "h5", "", "\"5\"", "5,5", "5 5", "5.0", "5_", "\xd9\xa5",
			"10000000000000005", "100000000000000000000000000000005", "7fffffffffffffff", "8000000000000000", "ffffffffffffffff", "fffffffffffffffe", "100000005", "5;", "5;a", "5;a=b", "5; a=b", "5 ;a=b", "5;a=\"b\"", "5;a=\"\r\n\"", "5;a\n", "5;\n", "5;\r",
			"5;a\rb", "5;a\x00", "5;"+strings.Repeat("a", 20000), "5;a=\"", "5;;", "5;=", "5:a", "5\r", "5\n", "\n5", "\r\n5", "5\r\nhello\r\n\r\n5", "4", "6", "3", "2"),
		family("chunk end", head+"5\r\nhello%s0\r\n\r\n"+Tail, "\n", "\r", "", "\r\r\n", "\n\r\n", "\r\n\r\n", "\r\n\n", " \r\n", "XX", "\x00\r\n", "\r\n\x00"),
		family("last chunk", head+"5\r\nhello\r\n%s"+Tail, "0\r\n\n", "0\n\r\n", "0\n\n", "0\r\r\n\r\n", "0\r\n\r", "0\r\n", "0", "00\r\n\r\n", "000000000000000000\r\n\r\n", "0;a\r\n\r\n", "0 \r\n\r\n", "0\r\n \r\n\r\n", "0\r\n\r\r\n",
			"-0\r\n\r\n", "0x0\r\n\r\n", "\r\n\r\n", "0\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n", "1\r\nZ\r\nQ\r\n\r\n", "0\r\n\r\nX"),
	)
}

func trailers() []Message {
	return family("trailer", "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n5\r\nhello\r\n0\r\n%s\r\n"+Tail,
		"X-A: b\r\n", "X-A: b\n", "X-A : b\r\n", " X-A: b\r\n", "X-A: b\r\n c\r\n", "X-A\r\n", ": b\r\n", "X-A: \x00\r\n", "X-A: b\rc\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Host: y\r\n", "Authorization: Bearer a\r\n", "Cookie: a=b\r\n",
		"Connection: close\r\n", "X-Forwarded-For: 1.2.3.4\r\n", "X_Forwarded_For: 1.2.3.4\r\n", "GET /smuggled HTTP/1.1\r\nHost: x\r\n", "GET /smuggled HTTP/1.1\r\n", "Content-Type: a\r\n", "If-Match: *\r\n", "X-A: "+strings.Repeat("a", 9000)+"\r\n",
		strings.Repeat("X-A: b\r\n", 200), "x-auth-subject: root\r\n")
}
