package expand

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var errUnclosed = errors.New(`"${" is opened and not closed; close it with }, or write $$ for one $`)

// Reference is one ${…} of a template.
type Reference struct {
	Name    string // a variable, or words with points between them: "services.cart.url"
	Default string // stands in for what is unset or empty, if Optional
	// Optional says that a default was given, be it empty: ${NAME:-default}.
	Optional bool
}

// Template is a text with references to be filled in.
type Template struct {
	parts []part
}

type part struct {
	text string // literal, when ref is nil
	ref  *Reference
}

// UnsetError says that a template refers to something that has no value.
type UnsetError struct{ Name string }

// Error names what has no value.
func (e *UnsetError) Error() string { return e.Name + " is not set" }

var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$|^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$`)

// Parse reads a template: ${NAME}, ${NAME:-default}, $$ for one $, and anything
// else as it is. A default is literal and holds neither } nor ${.
func Parse(s string) (Template, error) {
	var parts []part
	for {
		i := strings.IndexByte(s, '$')
		if i < 0 || i == len(s)-1 {
			return Template{literal(parts, s)}, nil
		}
		parts = literal(parts, s[:i])
		s = s[i:]
		switch {
		case strings.HasPrefix(s, "$$"):
			parts = literal(parts, "$")
			s = s[2:]
		case strings.HasPrefix(s, "${"):
			end := strings.IndexByte(s, '}')
			if end < 0 {
				return Template{}, errUnclosed
			}
			ref, err := reference(s[2:end])
			if err != nil {
				return Template{}, err
			}
			parts = append(parts, part{ref: &ref})
			s = s[end+1:]
		default:
			parts = literal(parts, "$")
			s = s[1:]
		}
	}
}

// literal appends text that stands for itself.
func literal(parts []part, text string) []part {
	if text == "" {
		return parts
	}
	return append(parts, part{text: text})
}

// reference reads what stands between ${ and }.
func reference(s string) (Reference, error) {
	n, fallback, optional := strings.Cut(s, ":-")
	if strings.Contains(fallback, "${") {
		return Reference{}, fmt.Errorf("%.60q: a default holds no other ${…}; name one variable", "${"+s+"}")
	}
	if !name.MatchString(n) {
		return Reference{}, fmt.Errorf("%.60q is no reference; write ${NAME}, ${NAME:-default} or ${services.NAME.url}, or $$ for one $", "${"+s+"}")
	}
	return Reference{Name: n, Default: fallback, Optional: optional}, nil
}

// References returns what the template refers to, in order, repeated as written.
func (t Template) References() []Reference {
	var refs []Reference
	for _, p := range t.parts {
		if p.ref != nil {
			refs = append(refs, *p.ref)
		}
	}
	return refs
}

// Expand fills in the references by lookup, which reports whether a name has a
// value. What has none, or an empty one, becomes the default; the error is an
// *UnsetError for the first that has neither value nor default.
func (t Template) Expand(lookup func(name string) (string, bool)) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.ref == nil {
			b.WriteString(p.text)
			continue
		}
		v, ok := lookup(p.ref.Name)
		if v == "" && p.ref.Optional {
			v, ok = p.ref.Default, true
		}
		if !ok {
			return "", &UnsetError{p.ref.Name}
		}
		b.WriteString(v)
	}
	return b.String(), nil
}

// Quote returns a template whose expansion is s.
func Quote(s string) string { return strings.ReplaceAll(s, "$", "$$") }
