package desync

import (
	"bytes"
	"math/rand/v2"
	"slices"
)

// pieces are what programs stumble over.
var pieces = [...]string{
	"\r\n", "\n", "\r", "\r\n\r\n", "\n\n", "\r\r\n", " ", "\t", "\x00", "\x0b", "\x7f", "\x80", "\xff", ":", ",", ";", "\"", "/", "?", "#", "%", "%0d%0a", "0", "1", "5", "-", "+", "_", "0\r\n\r\n", "5\r\nhello\r\n",
	"Content-Length: 5\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Host: y\r\n", "Connection: close\r\n", "Connection: Upgrade\r\nUpgrade: none\r\n", "Expect: 100-continue\r\n", "X: y\r\n", " z\r\n",
	"HTTP/1.1", "HTTP/1.0", "GET /b HTTP/1.1\r\nHost: x\r\n\r\n", "http://y", "chunked", ", chunked", "HEAD", "POST", "Trailer: X\r\n", Tail,
}

// Mutate returns a message made of another one, and perhaps of one of others, by some random
// changes. It does not change them.
func Mutate(r *rand.Rand, message []byte, others []Message) []byte {
	b := bytes.Clone(message)
	for range 1 + r.IntN(4) {
		at := place(r, b)
		switch r.IntN(9) {
		case 0, 1, 2:
			b = slices.Insert(b, at, []byte(pieces[r.IntN(len(pieces))])...)
		case 3: // less
			b = slices.Delete(b, at, min(len(b), at+1+r.IntN(4)))
		case 4: // another byte
			if at < len(b) {
				b[at] ^= 1 << r.IntN(8)
			}
		case 5: // a line twice, or elsewhere
			line := lineAt(b, at)
			to := place(r, b)
			b = slices.Insert(b, to, bytes.Clone(line)...)
		case 6: // the end of another one
			if o := others[r.IntN(len(others))].Bytes; len(o) < 4<<10 {
				b = append(b[:at:at], o[place(r, []byte(o)):]...)
			}
		case 7:
			b = b[:at]
		case 8: // a piece in the place of bytes
			end := min(len(b), at+1+r.IntN(8))
			b = slices.Replace(b, at, end, []byte(pieces[r.IntN(len(pieces))])...)
		}
	}
	return b
}

// place returns an index into b, often one where something begins or ends.
func place(r *rand.Rand, b []byte) int {
	at := r.IntN(len(b) + 1)
	if r.IntN(4) == 0 {
		return at
	}
	if i := bytes.IndexAny(b[at:], "\r\n: ,;"); i >= 0 {
		at += i + r.IntN(2)
	}
	return at
}

func lineAt(b []byte, at int) []byte {
	start := bytes.LastIndexByte(b[:at], '\n') + 1
	end := bytes.IndexByte(b[at:], '\n')
	if end < 0 {
		return b[start:]
	}
	return b[start : at+end+1]
}
