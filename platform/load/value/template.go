package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Template is a text with variables, ${name}: literal parts and names in turns, beginning
// with a literal. It is never changed.
type Template []string

// Parse cuts a template at its variables; $$ is a dollar.
func Parse(s string) (Template, error) {
	var out Template
	var literal strings.Builder
	for {
		before, after, found := strings.Cut(s, "$")
		literal.WriteString(before)
		switch {
		case !found:
			return append(out, literal.String()), nil
		case strings.HasPrefix(after, "$"):
			literal.WriteByte('$')
			s = after[1:]
		case strings.HasPrefix(after, "{"):
			name, rest, closed := strings.Cut(after[1:], "}")
			if !closed || name != Visit && name != Unique && !ValidName(name) {
				return nil, fmt.Errorf("%.40q: write ${name} with letters, digits and _; a dollar is $$", "$"+after)
			}
			out = append(out, literal.String(), name)
			literal.Reset()
			s = rest
		default:
			return nil, errors.New("a dollar stands alone: write ${name}, or $$ for a dollar")
		}
	}
}

// Names returns the variables of a template, in their order.
func (t Template) Names() (names []string) {
	for i := 1; i < len(t); i += 2 {
		names = append(names, t[i])
	}
	return names
}

// Fill writes the template with each value as escape writes it. The error names a variable
// that has no value.
func (t Template) Fill(value func(name string) (string, bool), escape func(string) string) (string, error) {
	if len(t) == 1 {
		return t[0], nil
	}
	var b strings.Builder
	for i, part := range t {
		if i%2 == 0 {
			b.WriteString(part)
			continue
		}
		v, ok := value(part)
		if !ok {
			return "", fmt.Errorf("${%s} has no value: no step before captured it", part)
		}
		b.WriteString(escape(v))
	}
	return b.String(), nil
}

// The variables every visitor has without capturing them.
const (
	Visit  = "visit"
	Unique = "unique"
)

// ValidName reports whether a variable may be named so: letters, digits and _, at most
// 64, and not one that every visitor has.
func ValidName(name string) bool {
	if name == "" || len(name) > 64 || name == Visit || name == Unique {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// AsPath writes a value so that it stays one segment of a URL's path, or one value of its
// query.
func AsPath(s string) string { return url.PathEscape(s) }

// AsIs writes a value as it is.
func AsIs(s string) string { return s }

// AsJSON writes a value so that it stays within a JSON text's quotes.
func AsJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil || len(b) < 2 {
		return ""
	}
	return string(b[1 : len(b)-1])
}
