package grammar

import (
	"math"
	"net/http"
)

// Response is the head of an instance's answer. It is used again like [Request], and its
// slices are parts of the buffer parsed. Not for concurrent use.
type Response struct {
	Bounds Bounds // set once; MaxTarget means nothing

	Minor  int // 0 or 1, of HTTP/1
	Status int // 100 to 999
	Reason []byte
	Fields []Field // all, in their order, those of the connection among them

	// Length is that of the body that follows in bytes; 0: none, or an empty one; Chunked;
	// UntilClose. It is 0 for the answer to HEAD and for 1xx, 204 and 304 whatever fields say.
	Length    int64
	HasLength bool // a Content-Length field is there (valid; the length of what is not sent in answers to HEAD and in 304)
	Interim   bool // 1xx, but not 101: the answer is still to come
	Close     bool // the connection must not be used again: said so, by HTTP/1.0 not said otherwise, UntilClose, or a body is announced that may not be
	Upgrade   bool // 101 with Upgrade and Connection fields
	Trailer   bool // a Trailer field announces trailers

	head scan
}

// Parse reads the head of an answer to a request of that method from buf, in the way of
// [Request.Parse]. An error is a [*Fault] with the status 502: the bytes of the instance are
// not to be believed, and its connection is to be closed.
func (r *Response) Parse(buf []byte, method string) (n int, err error) {
	if !r.head.begun || len(buf) < r.head.seen {
		r.Reset()
		r.head.begin(0)
	}
	n, f := r.head.end(buf, r.Bounds.head(), r.Bounds.fields()+1, math.MaxInt)
	if f == 0 && n > 0 {
		f = r.parseHead(buf, method)
	}
	if f != 0 {
		r.head.begun = false
		return 0, f.ofAnswer()
	}
	if n > 0 {
		r.head.begun = false
	}
	return n, nil
}

// Reset forgets what was seen of a head that is not complete, and all that Parse has set.
func (r *Response) Reset() {
	head, fields := r.head, r.Fields[:0]
	head.begun = false
	*r = Response{Bounds: r.Bounds, Fields: fields, head: head}
}

func (r *Response) parseHead(buf []byte, method string) fault {
	ends := r.head.ends
	if len(ends) == 0 {
		return badStatusLine // an empty line
	}
	if f := r.parseLine(buf[:ends[0]]); f != 0 {
		return f
	}
	m := framing{answer: true}
	var f fault
	r.Fields, f = m.parseFields(buf, ends[0]+2, ends[1:], r.Fields[:0])
	if f != 0 {
		return f
	}
	return r.frame(&m, method)
}

// parseLine reads HTTP/1.x SP STATUS SP REASON (RFC 9112, 4). The second space may be missing
// where there is no reason, as it is in many programs' answers.
func (r *Response) parseLine(line []byte) fault {
	const size = len("HTTP/1.1 200")
	if len(line) < size || string(line[:7]) != "HTTP/1." || line[7] < '0' || line[7] > '1' || line[8] != ' ' {
		return badStatusLine
	}
	r.Minor = int(line[7] - '0')
	for _, c := range line[9:size] {
		if c < '0' || c > '9' {
			return badStatusLine
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 {
		return badStatusLine
	}
	if len(line) > size {
		r.Reason = line[size+1:]
		if line[size] != ' ' || !isValue(r.Reason) {
			return badStatusLine
		}
	}
	return 0
}

// frame takes what the fields say of the message and its connection (RFC 9112, 6.3).
func (r *Response) frame(m *framing, method string) fault {
	old := r.Minor == 0
	if m.chunked && old {
		return oldCoding
	}
	r.HasLength = m.length >= 0
	r.Close = m.close || old && !m.keepAlive
	r.Upgrade = r.Status == http.StatusSwitchingProtocols && m.upgrade && m.switches
	r.Interim = r.Status < 200 && r.Status != http.StatusSwitchingProtocols
	r.Trailer = m.announce
	switch {
	case method == http.MethodHead || r.Status == http.StatusNotModified:
		// the fields are those of an answer that would have a body
	case r.Status < 200 || r.Status == http.StatusNoContent:
		// A body that is announced here may come all the same.
		r.Close = r.Close || m.length > 0 || m.chunked
	case m.chunked:
		r.Length = Chunked
	case r.HasLength:
		r.Length = m.length
	default:
		r.Length, r.Close = UntilClose, true
	}
	return 0
}
