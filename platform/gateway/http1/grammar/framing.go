package grammar

import "bytes"

// framing is what the fields of a message say about where it ends and what becomes of its
// connection.
type framing struct {
	answer   bool  // it is an answer: Host, Expect and TE mean nothing in it
	length   int64 // of Content-Length, -1: there is none
	chunked  bool  // Transfer-Encoding: chunked
	host     []byte
	hasHost  bool
	expects  bool
	trailers bool // TE: trailers
	announce bool // Trailer
	upgrade  bool // an Upgrade field

	// of Connection
	close, keepAlive, switches bool

	named int // names in Connection fields besides those
}

// maxNamed bounds the fields that a Connection field may name.
const maxNamed = 16

// parseFields reads all field lines and what they say of the message's framing.
func (m *framing) parseFields(buf []byte, start int, ends []int, fields []Field) ([]Field, fault) {
	*m = framing{length: -1, answer: m.answer}
	for _, end := range ends {
		fields = grow(fields)
		field := &fields[len(fields)-1]
		if f := parseField(buf[start:end], field); f != 0 {
			return fields, f
		}
		if field.Kind != Other && !(m.answer && asks(field.Kind)) {
			if f := m.note(field); f != 0 {
				return fields, f
			}
		}
		start = end + 2
	}
	if m.length >= 0 && m.chunked {
		return fields, lengthAndChunks
	}
	if m.named > 0 {
		return fields, markNamed(fields)
	}
	return fields, 0
}

// asks reports whether a field means something in requests alone.
func asks(k Kind) bool { return k == Host || k == Expect || k == TE }

// grow makes room for one more, without clearing what a former message left there.
func grow(fields []Field) []Field {
	if len(fields) < cap(fields) {
		return fields[:len(fields)+1]
	}
	return append(fields, Field{})
}

// note reads a field that means something to the connection.
func (m *framing) note(f *Field) (bad fault) {
	switch f.Kind {
	case Host:
		if m.hasHost {
			return twoHosts
		}
		m.host, m.hasHost = f.Value, true
	case ContentLength:
		if m.length >= 0 {
			return twoLengths
		}
		m.length, bad = parseLength(f.Value)
	case TransferEncoding:
		if m.chunked {
			return badCoding
		}
		m.chunked = true
		return parseCoding(f.Value)
	case Connection:
		return m.parseConnection(f.Value)
	case Expect:
		if m.expects {
			return twoExpects
		}
		if !Fold(f.Value, "100-continue") {
			return badExpect
		}
		m.expects = true
	case TE:
		m.trailers = m.trailers || lists(f.Value, "trailers")
	case Trailer:
		m.announce = true
	case Upgrade:
		m.upgrade = m.upgrade || len(f.Name) == len("upgrade") && len(f.Value) > 0
	}
	return bad
}

// parseLength reads a Content-Length (RFC 9110, 8.6; RFC 9112, 6.3). Lists of equal numbers
// are refused although they might be read as one, and leading zeros as somebody may take them
// for octal.
func parseLength(v []byte) (n int64, f fault) {
	if len(v) == 0 || len(v) > 18 || v[0] == '0' && len(v) > 1 {
		return 0, badLength
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, badLength
		}
		n = n*10 + int64(c-'0')
	}
	return n, 0
}

// parseCoding takes "chunked" and nothing else (RFC 9112, 6.1).
func parseCoding(v []byte) fault {
	if Fold(v, "chunked") {
		return 0
	}
	for coding, rest := cut(v); ; coding, rest = cut(rest) {
		switch {
		case len(coding) == 0 || !all(coding, inToken):
			return badCoding
		case !Fold(coding, "chunked"):
			return otherCoding
		case rest == nil:
			return badCoding // chunked, chunked
		}
	}
}

// parseConnection reads a Connection field (RFC 9110, 7.6.1).
func (m *framing) parseConnection(v []byte) fault {
	for option, rest := cut(v); ; option, rest = cut(rest) {
		switch {
		case len(option) == 0: // an element that is empty means nothing (RFC 9110, 5.6.1.2)
		case Fold(option, "close"):
			m.close = true
		case Fold(option, "keep-alive"):
			m.keepAlive = true
		case Fold(option, "upgrade"):
			m.switches = true
		case !all(option, inToken) || m.named == maxNamed:
			return badConnection
		default:
			m.named++
		}
		if rest == nil {
			return 0
		}
	}
}

// markNamed marks the fields that Connection fields name.
func markNamed(fields []Field) fault {
	for i := range fields {
		if fields[i].Kind != Connection {
			continue
		}
		for option, rest := cut(fields[i].Value); ; option, rest = cut(rest) {
			if f := mark(fields, option); f != 0 {
				return f
			}
			if rest == nil {
				break
			}
		}
	}
	return 0
}

func mark(fields []Field, option []byte) fault {
	if len(option) == 0 {
		return 0
	}
	switch kind(option) {
	case Host, ContentLength, TransferEncoding:
		return badConnection
	}
	for i := range fields {
		if !fields[i].Hop && bytes.EqualFold(fields[i].Name, option) {
			fields[i].Hop = true
		}
	}
	return 0
}

// lists reports whether a list has an element, without regard to case and parameters.
func lists(v []byte, lower string) bool {
	for element, rest := cut(v); ; element, rest = cut(rest) {
		if i := bytes.IndexByte(element, ';'); i >= 0 {
			element = trim(element[:i])
		}
		if Fold(element, lower) {
			return true
		}
		if rest == nil {
			return false
		}
	}
}

// cut returns the first element of a list and what comes after its comma, nil when there is none.
func cut(list []byte) (element, rest []byte) {
	element, rest, more := bytes.Cut(list, []byte(","))
	if !more {
		return trim(list), nil
	}
	return trim(element), rest
}
