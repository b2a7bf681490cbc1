package grammar

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// read reads a body that comes in pieces of the given size, as a connection does with a buffer
// that keeps what was not used.
func (c *Chunks) read(body string, piece int) (content string, used int, err error) {
	var got strings.Builder
	for have := 0; ; have = min(have+piece, len(body)) {
		for {
			n, data, err := c.Next([]byte(body[used:have]))
			used += n
			got.Write(data)
			if err != nil || c.Ended() {
				return got.String(), used, err
			}
			if n == 0 {
				break
			}
		}
		if have == len(body) {
			return got.String(), used, nil
		}
	}
}

// pass does the same, and returns what may be written on as it is.
func (c *Chunks) pass(body string, piece int) (on string, used int, err error) {
	var got strings.Builder
	for have := 0; ; have = min(have+piece, len(body)) {
		pass, n, err := c.Pass([]byte(body[used:have]))
		got.WriteString(body[used : used+pass])
		used += n
		if err != nil || c.Ended() || have == len(body) {
			return got.String(), used, err
		}
	}
}

func TestChunksThatAreRead(t *testing.T) {
	for section, test := range map[string]struct{ body, content, pass, trailers string }{
		"7.1 chunks":               {"5\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\n\r\n", "hello 0123456789", "5\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n", ""},
		"7.1 nothing":              {"0\r\n\r\n", "", "", ""},
		"7.1 many zeros":           {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello", "0000000000000005\r\nhello\r\n", ""},
		"7.1 both cases":           {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", "a\r\n0123456789\r\nA\r\n0123456789\r\n", ""},
		"7.1 content like framing": {"7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n", "7\r\n0\r\n\r\n\r\n\r\n", ""},
		"7.1.2 trailers":           {"1\r\na\r\n0\r\nGrpc-Status: 0\r\nX-Sum:\t\r\n\r\n", "a", "1\r\na\r\n", `Grpc-Status="0",0;X-Sum="",0;`},
	} {
		t.Run(section, func(t *testing.T) {
			for piece := 1; piece <= len(test.body); piece++ {
				var c Chunks
				content, used, err := c.read(test.body+"GET / HTTP/1.1\r\n", piece)
				if content != test.content || used != len(test.body) || err != nil || !c.Ended() || c.Size != int64(len(test.content)) {
					t.Fatalf("%d at a time: %q, %d of %d, size %d, %v", piece, content, used, len(test.body), c.Size, err)
				}
				if got := showFields(c.Trailers); got != test.trailers {
					t.Errorf("%d at a time: trailers %s", piece, got)
				}
				c.Reset()
				pass, used, err := c.pass(test.body+"GET / HTTP/1.1\r\n", piece)
				if pass != test.pass || used != len(test.body) || err != nil || !c.Ended() || c.Size != int64(len(test.content)) {
					t.Fatalf("%d at a time: passes %q, %d of %d, size %d, %v", piece, pass, used, len(test.body), c.Size, err)
				}
			}
		})
	}
}

var refusedChunks = map[string]struct {
	body    string
	content string
	reason  fault
}{
	"7.1 no size":                            {"\r\nhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 no digits":                          {"xyz\r\n", "", badChunkSize},
	"7.1 0x":                                 {"0x5\r\nhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 a plus":                             {"+5\r\nhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 a minus":                            {"-1\r\nhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 an underscore":                      {"1_0\r\n", "", badChunkSize},
	"7.1 a space before":                     {" 5\r\nhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 a space after":                      {"5 \r\nhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 a tab after":                        {"5\t\r\nhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 17 digits":                          {"00000000000000005\r\nhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 more than there can be":             {"ffffffffffffffff\r\n", "", badChunkSize},
	"7.1 a bare LF after the size":           {"5\nhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 a bare CR after the size":           {"5\rhello\r\n0\r\n\r\n", "", badChunkSize},
	"7.1 a bare LF after the content":        {"5\r\nhello\n0\r\n\r\n", "hello", badChunkEnd},
	"7.1 a bare CR after the content":        {"5\r\nhello\r0\r\n\r\n", "hello", badChunkEnd},
	"7.1 more content than its size":         {"5\r\nhello world\r\n0\r\n\r\n", "hello", badChunkEnd},
	"7.1 less content than its size":         {"5\r\nhell\r\n0\r\n\r\n", "hell\r", badChunkEnd},
	"7.1 an empty line between":              {"5\r\nhello\r\n\r\n0\r\n\r\n", "hello", badChunkSize},
	"7.1.1 an extension":                     {"5;a=b\r\nhello\r\n0\r\n\r\n", "", extension},
	"7.1.1 an extension with a bare LF":      {"5;a\nhello\r\n0\r\n\r\n", "", extension},
	"7.1.1 of the last chunk":                {"5\r\nhello\r\n0;a\r\n\r\n", "hello", extension},
	"7.1.1 an extension in quotes":           {"5;a=\"\r\nhello\r\n0\r\n\r\n\"", "", extension},
	"7.1.2 a bare LF at the end":             {"0\r\n\n", "", bareLF},
	"7.1.2 a bare LF":                        {"0\r\nX: a\n\r\n", "", bareLF},
	"7.1.2 obs-fold":                         {"0\r\nX: a\r\n b\r\n\r\n", "", folded},
	"7.1.2 a space before the colon":         {"0\r\nX : a\r\n\r\n", "", spaceInName},
	"7.1.2 NUL":                              {"0\r\nX: a\x00\r\n\r\n", "", badValue},
	"7.1.2 a request":                        {"0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "", spaceInName},
	"7.1.2 large ones":                       {"0\r\nX: " + strings.Repeat("a", 8<<10) + "\r\n\r\n", "", longTrailer},
	"7.1.2 many":                             {"0\r\n" + strings.Repeat("X: a\r\n", 101) + "\r\n", "", manyFields},
	"RFC 9110 6.5.1 framing":                 {"0\r\nContent-Length: 5\r\n\r\n", "", badTrailer},
	"RFC 9110 6.5.1 the coding":              {"0\r\nTransfer-Encoding: chunked\r\n\r\n", "", badTrailer},
	"RFC 9110 6.5.1 routing":                 {"0\r\nHost: b\r\n\r\n", "", badTrailer},
	"RFC 9110 6.5.1 the connection":          {"0\r\nConnection: close\r\n\r\n", "", badTrailer},
	"RFC 9110 6.5.1 authentication":          {"0\r\nAuthorization: Basic x\r\n\r\n", "", badTrailer},
	"RFC 9110 6.5.1 a cookie":                {"0\r\nCookie: a=b\r\n\r\n", "", badTrailer},
	"RFC 9110 6.5.1 a condition":             {"0\r\nIf-Match: a\r\n\r\n", "", badTrailer},
	"RFC 9110 6.5.1 who sent it":             {"0\r\nX-Forwarded-For: a\r\n\r\n", "", badTrailer},
	"RFC 9110 6.5.1 another spelling of one": {"0\r\nX_Forwarded_For: a\r\n\r\n", "", badTrailer},
}

func TestChunksThatAreRefused(t *testing.T) {
	for section, test := range refusedChunks {
		t.Run(section, func(t *testing.T) {
			pieces := []int{1, 2, 3, 7, len(test.body)}
			if len(test.body) > 1<<10 {
				pieces = []int{len(test.body), len(test.body) - 1}
			}
			for _, piece := range pieces {
				for _, answer := range []bool{false, true} {
					want := test.reason.ofRequest()
					if answer {
						want = test.reason.ofAnswer()
					}
					c := Chunks{Answer: answer}
					content, _, err := c.read(test.body, piece)
					if content != test.content || !errors.Is(err, want) || c.Ended() {
						t.Errorf("%d at a time: %q, %v; want %q, %v", piece, content, err, test.content, want)
					}
					c.Reset()
					if _, _, err := c.pass(test.body, piece); !errors.Is(err, want) || c.Ended() {
						t.Errorf("%d at a time: passes, %v; want %v", piece, err, want)
					}
				}
			}
		})
	}
}

// What Pass lets through reads the same once it has its end.
func TestWhatIsPassedOnReadsTheSame(t *testing.T) {
	var body, content strings.Builder
	for i := range 50 {
		part := strings.Repeat("0\r\n\r\n", i+1)
		fmt.Fprintf(&body, "%X\r\n%s\r\n", len(part), part)
		content.WriteString(part)
	}
	body.WriteString("0\r\na: b\r\n\r\n")
	for _, piece := range []int{1, 5, 64, 1000, body.Len()} {
		var c Chunks
		on, _, err := c.pass(body.String(), piece)
		if err != nil || !c.Ended() {
			t.Fatal(err)
		}
		c.Reset()
		got, _, err := c.read(on+"0\r\n\r\n", piece)
		if got != content.String() || err != nil || !c.Ended() {
			t.Errorf("%d at a time: %d bytes, want %d, %v", piece, len(got), content.Len(), err)
		}
	}
}

func BenchmarkChunks(b *testing.B) {
	buf := []byte(strings.Repeat("400\r\n"+strings.Repeat("a", 1024)+"\r\n", 14) + "0\r\n\r\n")
	var c Chunks
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		c.Reset()
		if _, used, err := c.Pass(buf); used != len(buf) || err != nil {
			b.Fatal(used, err)
		}
	}
}
