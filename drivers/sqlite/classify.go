package sqlite

import "strings"

// kind says what a statement does to the write lock.
type kind uint8

const (
	reads    kind = iota // needs no lock
	writes               // needs the lock while it runs
	controls             // begins or ends a transaction: needs the lock as long as that is open
)

// classify returns the kind of query's first statement and what follows that
// statement. It knows just enough of SQLite's grammar to find the verb; what it
// does not know counts as a write, whose price is an unneeded wait.
func classify(query string) (k kind, rest string) {
	s := scanner{rest: query}
	verb := s.next()
	for verb == ";" { // empty statements
		verb = s.next()
	}
	switch {
	case verb == "", is(verb, "SELECT"), is(verb, "VALUES"), is(verb, "EXPLAIN"), is(verb, "ATTACH"), is(verb, "DETACH"):
		k = reads
	case is(verb, "WITH"):
		k = s.mainVerb()
	case is(verb, "PRAGMA"):
		k = s.pragma()
	case is(verb, "BEGIN"), is(verb, "COMMIT"), is(verb, "END"), is(verb, "ROLLBACK"), is(verb, "SAVEPOINT"), is(verb, "RELEASE"):
		k = controls
	default:
		k = writes
		if is(verb, "CREATE") && s.trigger() {
			s.skipTrigger()
			return k, s.rest
		}
	}
	s.skipStatement()
	return k, s.rest
}

// mainVerb finds the verb behind the common table expressions of WITH.
func (s *scanner) mainVerb() kind {
	for depth := 0; ; {
		switch t := s.next(); {
		case t == "", t == ";":
			s.back()
			return reads
		case t == "(":
			depth++
		case t == ")":
			depth--
		case depth > 0:
		case is(t, "SELECT"), is(t, "VALUES"):
			return reads
		case is(t, "INSERT"), is(t, "UPDATE"), is(t, "DELETE"), is(t, "REPLACE"):
			return writes
		}
	}
}

// pragma tells the few pragmas that write the file from the many that do not.
func (s *scanner) pragma() kind {
	name, t := s.next(), s.next()
	if t == "." {
		name, t = s.next(), s.next()
	}
	s.back()
	for _, w := range []string{"incremental_vacuum", "optimize", "wal_checkpoint", "'"} {
		if is(name, w) {
			return writes
		}
	}
	if t != "=" && t != "(" {
		return reads
	}
	for _, w := range []string{"application_id", "auto_vacuum", "default_cache_size", "encoding", "journal_mode", "page_size", "schema_version", "user_version"} {
		if is(name, w) {
			return writes
		}
	}
	return reads
}

// trigger reports whether CREATE goes on as CREATE TRIGGER.
func (s *scanner) trigger() bool {
	t := s.next()
	if is(t, "TEMP") || is(t, "TEMPORARY") {
		t = s.next()
	}
	if is(t, "TRIGGER") {
		return true
	}
	s.back()
	return false
}

// skipStatement goes behind the next semicolon.
func (s *scanner) skipStatement() {
	if strings.IndexByte(s.rest, ';') < 0 { // nearly always: one statement, read no further
		s.rest = ""
		return
	}
	for t := s.next(); t != "" && t != ";"; {
		t = s.next()
	}
}

// skipTrigger goes behind the END of a trigger's body, which is told from the END
// of a CASE by the semicolons around it.
func (s *scanner) skipTrigger() {
	before, t := "", s.next()
	for t != "" {
		if is(t, "END") && before == ";" {
			if t = s.next(); t == ";" || t == "" {
				return
			}
		}
		before, t = t, s.next()
	}
}

func is(word, keyword string) bool {
	return len(word) == len(keyword) && strings.EqualFold(word, keyword)
}

// scanner cuts SQLite's tokens off the front of rest.
type scanner struct{ rest, before string }

// back undoes the last next.
func (s *scanner) back() { s.rest = s.before }

// next returns the next token, "" at the end. Quoted names and strings come as a
// single quote character, comments not at all.
func (s *scanner) next() string {
	s.before = s.rest
	for s.rest != "" {
		c := s.rest[0]
		switch {
		case c <= ' ':
			s.rest = s.rest[1:]
		case strings.HasPrefix(s.rest, "--"):
			s.behind("\n")
		case strings.HasPrefix(s.rest, "/*"):
			s.rest = s.rest[2:]
			s.behind("*/")
		case c == '\'' || c == '"' || c == '`':
			s.rest = s.rest[1:]
			s.behind(string(c)) // a doubled quote is read as two strings, which does no harm here
			return "'"
		case c == '[':
			s.behind("]")
			return "'"
		case isWord(c):
			n := 1
			for n < len(s.rest) && isWord(s.rest[n]) {
				n++
			}
			t := s.rest[:n]
			s.rest = s.rest[n:]
			return t
		default:
			t := s.rest[:1]
			s.rest = s.rest[1:]
			return t
		}
	}
	return ""
}

func (s *scanner) behind(end string) {
	if _, after, found := strings.Cut(s.rest, end); found {
		s.rest = after
		return
	}
	s.rest = ""
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
