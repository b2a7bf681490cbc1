package grammar

// Form is the form of a request's target (RFC 9112, 3.2).
type Form uint8

// The forms.
const (
	Origin    Form = iota // /path?query
	Absolute              // http://host/path?query, whose host is that of the Host field
	Authority             // host:port, with CONNECT
	Asterisk              // *, with OPTIONS
)

// Lengths of a body that no number tells.
const (
	Chunked    = -1 // read it with Chunks
	UntilClose = -2 // of an answer: the end of the connection is its end
)

// Request is the head of a request. It is used again and again: keep it with the buffer that
// it is read from, not longer (it has room for all fields, some KiB when there were many).
// Its slices are parts of that buffer. Not for concurrent use.
type Request struct {
	Bounds Bounds // set once

	Method   []byte // a token
	Form     Form
	Target   []byte // as it came
	Path     []byte // raw, of Origin and Absolute, "/" at least; else empty
	Query    []byte // raw, without "?"
	HasQuery bool   // there is a "?"
	Minor    int    // 0 or 1, of HTTP/1
	// Host is the value of the Host field: a name or address with or without a port. Empty
	// in HTTP/1.0 without one.
	Host   []byte
	Fields []Field // all, in their order, Host and those of the connection among them

	Length    int64 // of the body in bytes; 0: none, or an empty one; Chunked
	HasLength bool  // a Content-Length field says it
	Close     bool  // no other request follows on the connection: it was said so, or by HTTP/1.0 not said otherwise
	KeepAlive bool  // "keep-alive" is listed: a client of HTTP/1.0 must be told that it is granted
	Expect100 bool  // the client waits for 100 before it sends the body; never in HTTP/1.0
	Upgrade   bool  // another protocol is asked for, by Upgrade and Connection; never in HTTP/1.0
	Trailers  bool  // TE lists "trailers"

	head scan
}

// Parse reads the head of a request from buf, which begins where the message before ended. It
// returns how many bytes the head has; 0 when it is not all in buf yet: call Parse again with
// the same bytes and more after them (they may have moved), it does not look twice at what it
// saw. An error is a [*Fault] or [ErrPreface]. After a head or an error the next call begins
// anew; before that, [Request.Reset] does.
//
// One empty line before a request is skipped, as clients are known that send one after a body
// (RFC 9112, 2.2). Otherwise it is strict: see the playbook's "What is refused".
func (r *Request) Parse(buf []byte) (n int, err error) {
	if !r.head.begun || len(buf) < r.head.seen {
		r.Reset()
		r.head.begin(0)
	}
	n, f := r.parse(buf)
	switch {
	case f == preface:
		r.head.begun = false
		return 0, ErrPreface
	case f != 0:
		r.head.begun = false
		return 0, f.ofRequest()
	case n > 0:
		r.head.begun = false
	}
	return n, nil
}

// Reset forgets what was seen of a head that is not complete, and all that Parse has set.
func (r *Request) Reset() {
	head, fields := r.head, r.Fields[:0]
	head.begun = false
	*r = Request{Bounds: r.Bounds, Fields: fields, head: head}
}

// prefaceHTTP2 begins a connection of HTTP/2. Its first line looks like a request's.
const prefaceHTTP2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func (r *Request) parse(buf []byte) (n int, f fault) {
	skip := 0
	if len(buf) > 1 && buf[0] == '\r' && buf[1] == '\n' {
		skip = 2
		if r.head.line == 0 {
			r.head.begin(skip)
		}
	}
	if len(buf) == skip {
		return 0, 0
	}
	switch c := buf[skip]; {
	case c == '\r' && skip == 0 && len(buf) == 1:
		return 0, 0
	case c == 'P' && skip == 0 && len(buf) >= len("PRI *") && string(buf[:len("PRI *")]) == "PRI *":
		return 0, startsHTTP2(buf)
	case class[c]&inToken == 0:
		return 0, badStart
	}
	n, f = r.head.end(buf, r.Bounds.head(), r.Bounds.fields()+1, maxMethod+r.Bounds.target()+len("  HTTP/1.1"))
	if f != 0 || n == 0 {
		return 0, f
	}
	return n, r.parseHead(buf, skip)
}

// startsHTTP2 tells the preface from a request that only looks like it. Which of the two
// fewer bytes are is not known.
func startsHTTP2(buf []byte) fault {
	n := min(len(buf), len(prefaceHTTP2))
	switch {
	case string(buf[:n]) != prefaceHTTP2[:n]:
		return otherVersion
	case n < len(prefaceHTTP2):
		return 0
	}
	return preface
}

// parseHead reads a head that is all there.
func (r *Request) parseHead(buf []byte, skip int) fault {
	ends := r.head.ends
	if f := r.parseLine(buf[skip:ends[0]]); f != 0 {
		return f
	}
	var m framing
	var f fault
	r.Fields, f = m.parseFields(buf, ends[0]+2, ends[1:], r.Fields[:0])
	if f != 0 {
		return f
	}
	if f := r.frame(&m); f != 0 {
		return f
	}
	return r.parseTarget()
}

// maxMethod bounds a method: 501 (RFC 9112, 3). The longest that is registered has 17.
const maxMethod = 32

// parseLine reads METHOD SP TARGET SP HTTP/1.x (RFC 9112, 3).
func (r *Request) parseLine(line []byte) fault {
	i := 0
	for i < len(line) && class[line[i]]&inToken != 0 {
		i++
	}
	switch {
	case i == len(line):
		return badRequestLine
	case line[i] == '\r':
		return bareCR
	case line[i] != ' ':
		return badMethod
	case i > maxMethod:
		return longMethod
	}
	r.Method = line[:i]
	target, version, ok := cutVersion(line[i+1:])
	if !ok {
		return badVersion
	}
	if f := r.setVersion(version); f != 0 {
		return f
	}
	if len(target) > r.Bounds.target() {
		return longTarget
	}
	if len(target) == 0 {
		return badRequestLine
	}
	if !all(target, inTarget) {
		return badTarget
	}
	r.Target = target
	return 0
}

// cutVersion splits TARGET SP VERSION.
func cutVersion(b []byte) (target, version []byte, ok bool) {
	const size = len("HTTP/1.1")
	i := len(b) - size
	if i < 1 || b[i-1] != ' ' || string(b[i:i+5]) != "HTTP/" {
		return nil, nil, false
	}
	return b[:i-1], b[i+5:], true
}

func (r *Request) setVersion(v []byte) fault {
	switch {
	case v[0] < '0' || v[0] > '9' || v[1] != '.' || v[2] < '0' || v[2] > '9':
		return badVersion
	case v[0] != '1' || v[2] > '1':
		return otherVersion
	}
	r.Minor = int(v[2] - '0')
	return 0
}

// frame takes what the fields say of the message and its connection.
func (r *Request) frame(m *framing) fault {
	old := r.Minor == 0
	switch {
	case m.hasHost && !isHost(m.host):
		return badHost
	case !m.hasHost && !old:
		return noHost
	case m.chunked && old:
		return oldCoding
	case m.chunked:
		r.Length = Chunked
	case m.length >= 0:
		r.Length, r.HasLength = m.length, true
	}
	r.Host = m.host
	r.Close = m.close || old && !m.keepAlive
	r.KeepAlive = m.keepAlive
	r.Expect100 = m.expects && !old && r.Length != 0
	r.Upgrade = m.upgrade && m.switches && !old
	r.Trailers = m.trailers
	return 0
}
