package mysql

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// statement is one as MariaDB takes it.
type statement struct {
	text   string
	params []int // which argument each ? is; nil: as they come
	once   bool  // a row that is there already is no error
}

// statements remembers those that were translated: a program has few. It is safe for concurrent use.
type statements struct {
	mu    sync.RWMutex
	known map[string]statement
}

// mostKnown bounds what is remembered of a program that writes values into its statements.
const mostKnown = 2000

func (s *statements) of(query string) statement {
	s.mu.RLock()
	done, ok := s.known[query]
	s.mu.RUnlock()
	if ok {
		return done
	}
	done = translate(query)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= mostKnown {
		s.known = map[string]statement{}
	}
	s.known[query] = done
	return done
}

var (
	onConflict = regexp.MustCompile(`(?i)\s*\bON\s+CONFLICT\s*(?:\([^()]*\))?\s+DO\s+NOTHING\b`)
	asText     = regexp.MustCompile(`(?i)\bAS\s+text\s*\)`)
	asBigint   = regexp.MustCompile(`(?i)\bAS\s+bigint\s*\)`)
)

// translate writes a statement as MariaDB takes it. What stands in quotes and comments is left as it is.
func translate(query string) statement {
	var s statement
	text, code := query, masked(query)
	cut := func(what *regexp.Regexp, by string) (found bool) {
		for _, at := range slices.Backward(what.FindAllStringIndex(code, -1)) {
			text = text[:at[0]] + by + text[at[1]:]
			code = code[:at[0]] + by + code[at[1]:]
			found = true
		}
		return found
	}
	s.once = cut(onConflict, "")
	cut(asText, "AS CHAR)")
	cut(asBigint, "AS SIGNED)")
	s.text, s.params = number(text, code)
	return s
}

// masked is a statement with its quoted parts and comments made unreadable, each at its place.
func masked(query string) string {
	var out strings.Builder
	for rest := query; rest != ""; {
		code, quoted, after := split(rest)
		out.WriteString(code)
		for i := range len(quoted) {
			if b := quoted[i]; i == 0 || i == len(quoted)-1 {
				out.WriteByte(b)
			} else {
				out.WriteByte('~')
			}
		}
		rest = after
	}
	return out.String()
}

// number writes ? for each $n, and tells which.
func number(text, code string) (marked string, params []int) {
	var out strings.Builder
	for {
		i := strings.IndexByte(code, '$')
		if i < 0 {
			return out.String() + text, params
		}
		digits := len(code[i+1:]) - len(strings.TrimLeft(code[i+1:], "0123456789"))
		end := i + 1 + digits
		n, err := strconv.Atoi(code[i+1 : end])
		if err != nil || n < 1 || i > 0 && isName(code[i-1]) {
			end = i + 1
			out.WriteString(text[:end])
		} else {
			out.WriteString(text[:i] + "?")
			params = append(params, n)
		}
		text, code = text[end:], code[end:]
	}
}

func isName(b byte) bool {
	return b == '_' || b == '$' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

// split cuts off a statement up to the end of its first quoted part or comment.
func split(text string) (code, quoted, rest string) {
	for i := range len(text) {
		end := ""
		switch text[i] {
		case '\'', '"', '`':
			end = text[i : i+1] // a doubled one is the end of one part and the beginning of the next
		case '#':
			end = "\n"
		case '-':
			if strings.HasPrefix(text[i:], "-- ") {
				end = "\n"
			}
		case '/':
			if strings.HasPrefix(text[i:], "/*") {
				end = "*/"
			}
		}
		if end == "" {
			continue
		}
		n := strings.Index(text[i+1:], end)
		if n < 0 {
			return text[:i], text[i:], ""
		}
		stop := i + 1 + n + len(end)
		return text[:i], text[i:stop], text[stop:]
	}
	return text, "", ""
}
