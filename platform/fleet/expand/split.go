// Package expand splits a command line into words and fills in ${…} as a shell
// does, without a shell: nothing is executed, and what only a shell could do is an
// error instead of a surprise.
package expand

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Errors of Split.
var (
	errEmpty = errors.New("the command is empty; name the program")
	errQuote = errors.New("a quote is opened and not closed; close it")
	errSlash = errors.New(`the command ends in a backslash, which quotes nothing; remove it`)
	errLines = errors.New(`a line break separates two commands; run one, or write [sh, -c, "…"]`)
)

// Split splits a command line into words by the quoting rules of the POSIX shell:
// blanks separate, '…' is literal, "…" keeps blanks, a backslash quotes the next
// character, and a backslash before a line break joins the lines. The words are
// templates (see Parse): ${NAME} stays unless '…' or a backslash quotes it. Globs
// and braces are not expanded. Pipes, redirections, lists, $NAME, substitutions,
// comments and assignments before the command are errors.
func Split(line string) ([]string, error) {
	s := splitter{rest: strings.TrimLeft(line, blanks)}
	for s.rest != "" {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	s.end()
	if len(s.words) == 0 {
		return nil, errEmpty
	}
	return s.words, nil
}

const blanks = " \t\r\n"

type splitter struct {
	rest   string
	word   strings.Builder
	inWord bool // a word has begun, be it an empty one in quotes
	quoted bool // some part of the word was quoted
	words  []string
}

// end finishes the word that has begun.
func (s *splitter) end() {
	if s.inWord {
		s.words = append(s.words, s.word.String())
	}
	s.word.Reset()
	s.inWord, s.quoted = false, false
}

// take returns the next n bytes and moves on.
func (s *splitter) take(n int) string {
	t := s.rest[:n]
	s.rest = s.rest[n:]
	return t
}

// literal adds text that is to be taken as it is.
func (s *splitter) literal(text string) {
	s.inWord = true
	s.word.WriteString(Quote(text))
}

var operator = regexp.MustCompile("^([|&;<>]{1,2}|.)")

var assignment = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// step reads what comes next outside quotes.
func (s *splitter) step() error {
	switch c := s.rest[0]; c {
	case ' ', '\t', '\r':
		s.end()
		s.take(1)
	case '\n':
		if strings.Trim(s.rest, blanks) != "" {
			return errLines
		}
		s.rest = ""
	case '\'':
		end := strings.IndexByte(s.rest[1:], '\'')
		if end < 0 {
			return errQuote
		}
		s.quoted = true
		s.literal(s.rest[1 : 1+end])
		s.take(end + 2)
	case '"':
		s.take(1)
		s.inWord, s.quoted = true, true
		return s.doubleQuoted()
	case '\\':
		if len(s.rest) == 1 {
			return errSlash
		}
		if strings.HasPrefix(s.rest, "\\\n") {
			s.take(2)
			return nil
		}
		s.take(1)
		s.quoted = true
		s.literal(s.take(1))
	case '$':
		return s.dollar()
	case '|', '&', ';', '<', '>', '(', ')', '`':
		return fmt.Errorf("%q needs a shell, and none is run; quote it, or write [sh, -c, \"…\"]", operator.FindString(s.rest))
	case '#', '~':
		if s.inWord {
			s.literal(s.take(1))
			return nil
		}
		if c == '~' {
			return errors.New(`"~" needs a shell, and none is run; write ${HOME}, or quote it`)
		}
		return errors.New(`"#" begins a comment; remove it, or quote it`)
	case '=':
		if name := s.word.String(); len(s.words) == 0 && !s.quoted && assignment.MatchString(name) {
			return fmt.Errorf("%s=… before the command needs a shell; put %s under env", name, name)
		}
		s.literal(s.take(1))
	default:
		s.literal(s.take(1))
	}
	return nil
}

// doubleQuoted reads up to the closing quote.
func (s *splitter) doubleQuoted() error {
	for s.rest != "" {
		switch c := s.rest[0]; c {
		case '"':
			s.take(1)
			return nil
		case '\\':
			if len(s.rest) > 1 && strings.IndexByte("\"\\$`\n", s.rest[1]) >= 0 {
				s.take(1)
				if next := s.take(1); next != "\n" {
					s.literal(next)
				}
				continue
			}
			s.literal(s.take(1))
		case '$':
			if err := s.dollar(); err != nil {
				return err
			}
		case '`':
			return errors.New("\"`\" needs a shell, and none is run; quote it with '…', or write [sh, -c, \"…\"]")
		default:
			s.literal(s.take(1))
		}
	}
	return errQuote
}

var shellVariable = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*|[0-9@*#?!$-])`)

// dollar reads a $ outside '…': ${…} is kept for Parse, a lone $ is literal.
func (s *splitter) dollar() error {
	if strings.HasPrefix(s.rest, "${") {
		end := strings.IndexByte(s.rest, '}')
		if end < 0 {
			return errUnclosed
		}
		s.inWord = true
		s.word.WriteString(s.take(end + 1))
		return nil
	}
	if strings.HasPrefix(s.rest, "$(") {
		return errors.New(`"$(" needs a shell, and none is run; write [sh, -c, "…"]`)
	}
	if m := shellVariable.FindStringSubmatch(s.rest); m != nil {
		if assignment.MatchString(m[1]) {
			return fmt.Errorf("$%s is not filled in; write ${%s}", m[1], m[1])
		}
		return fmt.Errorf("%q needs a shell, and none is run; quote it with '…'", m[0])
	}
	s.literal(s.take(1))
	return nil
}
