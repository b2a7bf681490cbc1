package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/musterdev/muster/problem"
)

// maxFaults bounds how many faults of one text are told, maxDepth how deep values
// that the schema knows may nest.
const (
	maxFaults = 20
	maxDepth  = 200
)

// Check returns what of a JSON text does not keep to s, with the paths of the
// values, such as "lines[2].quantity"; nil when all does. It is safe for
// concurrent use. Names are compared exactly; a name given twice is a fault, and so
// is text that is not UTF-8 or has a NUL, wherever it stands.
func (s *Schema) Check(text []byte) []problem.Detail {
	c := checker{dec: json.NewDecoder(bytes.NewReader(text))}
	if !utf8.Valid(text) {
		c.damaged = text
	}
	c.dec.UseNumber()
	err := c.value(s, 0)
	if err == nil {
		if _, end := c.dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("there is more after the JSON value")
		}
	}
	if err != nil && !errors.Is(err, errEnough) {
		c.path = nil
		c.fault("the body is not JSON: %s", syntax(err, c.dec.InputOffset()))
	}
	return c.faults
}

var errEnough = errors.New("enough faults")

func syntax(err error, offset int64) string {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "it ends too early"
	}
	return fmt.Sprintf("%s, near byte %d", err, offset)
}

type checker struct {
	dec     *json.Decoder
	damaged []byte // the whole text, where it is not UTF-8; else nil
	path    []any  // names and indexes from the root
	faults  []problem.Detail
}

func (c *checker) fault(format string, args ...any) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, problem.Detail{Field: c.where(), Reason: fmt.Sprintf(format, args...)})
	}
}

func (c *checker) where() string {
	var b strings.Builder
	for i, p := range c.path {
		switch p := p.(type) {
		case int:
			b.WriteString("[" + strconv.Itoa(p) + "]")
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(clip(p))
		}
	}
	return b.String()
}

// value reads one value. Its error ends the reading; faults do not, up to a number.
func (c *checker) value(s *Schema, depth int) error {
	if len(c.faults) >= maxFaults {
		return errEnough
	}
	if depth > maxDepth {
		c.fault("is nested too deep")
		return errEnough
	}
	before := c.dec.InputOffset()
	tok, err := c.dec.Token()
	if err != nil {
		return err
	}
	if !c.plain(tok, before) {
		return nil
	}
	return c.token(s.resolve(), tok, depth)
}

// plain reports whether a token, read from the offset before on, is not text or text
// that is taken everywhere, and tells where it is not. The decoder has put U+FFFD
// where the text was not UTF-8, so this looks at what it has read.
func (c *checker) plain(tok json.Token, before int64) bool {
	text, ok := tok.(string)
	if !ok {
		return true
	}
	why := CheckPlain(text)
	if c.damaged != nil && !utf8.Valid(c.damaged[before:c.dec.InputOffset()]) {
		why = notPlain
	}
	if why != "" {
		c.fault("%s", why)
	}
	return why == ""
}

func (c *checker) token(s *Schema, tok json.Token, depth int) error {
	if len(s.AnyOf) > 0 { // only ever a reference or null
		if tok == nil {
			return nil
		}
		s = s.AnyOf[0].resolve()
	}
	if len(s.Type) == 0 {
		return c.skip(tok)
	}
	name := typeOf(tok)
	if !s.is(name) && (name != "number" || !s.is("integer")) {
		c.fault("must be %s, not %s", s.words(), article(name))
		return c.skip(tok)
	}
	switch x := tok.(type) {
	case json.Delim:
		if x == '{' {
			return c.object(s, depth)
		}
		return c.array(s, depth)
	case json.Number:
		if why := s.checkNumber(x.String()); why != "" {
			c.fault("%s", why)
		}
	case string:
		if why := s.checkString(x); why != "" {
			c.fault("%s", why)
		}
	}
	return nil
}

func (c *checker) object(s *Schema, depth int) error {
	seen := make(map[string]bool, len(s.Properties))
	c.path = append(c.path, "")
	at := len(c.path) - 1
	for c.dec.More() {
		before := c.dec.InputOffset()
		tok, err := c.dec.Token()
		if err != nil {
			return err
		}
		name, _ := tok.(string) // the decoder takes no other key
		c.path[at] = name
		c.plain(tok, before)
		if seen[name] {
			c.fault("is given twice")
		}
		seen[name] = true
		property, known := s.Properties.Get(name)
		switch {
		case known:
		case s.Additional != nil:
			property = s.Additional
		default:
			if s.Closed {
				c.fault("is not known here%s", hint(name, s.Properties))
			}
			property = &Schema{}
		}
		if err := c.value(property, depth+1); err != nil {
			return err
		}
	}
	for _, name := range s.Required {
		if !seen[name] {
			c.path[at] = name
			c.fault("is required")
		}
	}
	c.path = c.path[:at]
	_, err := c.dec.Token()
	return err
}

func (c *checker) array(s *Schema, depth int) error {
	c.path = append(c.path, 0)
	at := len(c.path) - 1
	n := 0
	for ; c.dec.More(); n++ {
		c.path[at] = n
		if err := c.value(s.Items, depth+1); err != nil {
			return err
		}
	}
	c.path = c.path[:at]
	if why := s.CheckCount(n); why != "" {
		c.fault("%s", why)
	}
	_, err := c.dec.Token()
	return err
}

// skip reads to the end of the value that tok begins.
func (c *checker) skip(tok json.Token) error {
	for depth := 0; ; {
		if d, ok := tok.(json.Delim); ok {
			if d == '{' || d == '[' {
				depth++
			} else {
				depth--
			}
		}
		if depth <= 0 {
			return nil
		}
		var err error
		before := c.dec.InputOffset()
		if tok, err = c.dec.Token(); err != nil {
			return err
		}
		c.plain(tok, before)
	}
}

func typeOf(tok json.Token) string {
	switch x := tok.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case json.Number:
		return "number"
	case string:
		return "string"
	case json.Delim:
		if x == '{' {
			return "object"
		}
	}
	return "array"
}

// clip bounds a name that the caller made up, for a message.
func clip(s string) string {
	if utf8.RuneCountInString(s) > 40 {
		return string([]rune(s)[:40]) + "…"
	}
	return s
}

func hint(name string, known Map[*Schema]) string {
	names := make([]string, len(known))
	for i, e := range known {
		names[i] = e.Key
	}
	switch near := problem.Nearest(name, names); {
	case near != "":
		return fmt.Sprintf("; did you mean %q?", near)
	case len(names) == 0:
		return ""
	}
	return "; known are " + strings.Join(names, ", ")
}
