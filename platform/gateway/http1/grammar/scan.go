package grammar

import "bytes"

// scan finds the lines of a head or a trailer section, up to the empty one that ends it. What
// it saw of bytes that did not suffice it does not look at again.
type scan struct {
	begun bool
	line  int   // where the line begins that has not ended yet
	seen  int   // up to where there is no LF that is not in ends
	ends  []int // the CR of each line
}

// begin forgets all lines but keeps their room. The first line is at start.
func (s *scan) begin(start int) {
	*s = scan{begun: true, line: start, seen: start, ends: s.ends[:0]}
}

// end returns the length up to and with the empty line, 0 when it is not in buf. maxFirst
// bounds the first line alone, without its CRLF.
func (s *scan) end(buf []byte, maxSize, maxLines, maxFirst int) (n int, f fault) {
	for {
		i := bytes.IndexByte(buf[s.seen:], '\n')
		if i < 0 {
			s.seen = len(buf)
			return 0, s.long(len(buf), maxSize, maxFirst)
		}
		lf := s.seen + i
		switch {
		case lf == s.line || buf[lf-1] != '\r':
			return 0, bareLF
		case s.long(lf, maxSize, maxFirst) != 0:
			return 0, s.long(lf, maxSize, maxFirst)
		case lf-1 == s.line:
			return lf + 1, 0
		case len(s.ends) == maxLines:
			return 0, manyFields
		}
		s.ends = append(s.ends, lf-1)
		s.line, s.seen = lf+1, lf+1
	}
}

// long says what is too long when the line that is being read goes on to an index at least.
func (s *scan) long(to, maxSize, maxFirst int) fault {
	switch {
	case len(s.ends) == 0 && to-s.line-1 > maxFirst:
		return longTarget
	case to >= maxSize:
		return longHead
	}
	return 0
}
