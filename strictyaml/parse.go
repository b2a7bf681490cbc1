// Package strictyaml reads configuration from YAML without mercy and with good
// manners: unknown keys, keys given twice and values of the wrong type are
// errors, each a line that says where, what was found, what was wanted and, for a
// misspelt word, which one was probably meant. All errors of a file are found at
// once. Size, depth and the growth by aliases are bounded.
package strictyaml

import (
	"errors"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Limits of one document.
const (
	MaxNodes = 100_000 // nodes, each use of an alias counted anew
	MaxDepth = 32      // lists and mappings within each other
)

// Parse reads one YAML document and returns its root, or nil when it cannot be
// read at all, which errs then says. An empty file is an empty mapping. file is the name under which errors speak of
// it. Errors found later, through the methods of Node, go to errs as well.
func Parse(file string, data []byte, errs *Collector) *Node {
	if place, bad := unreadable(file, data); bad != "" {
		errs.Add(place.Errorf("%s", bad))
		return nil
	}
	var documents []yaml.Node
	if err := yaml.Load(data, &documents, yaml.WithAllDocuments()); err != nil {
		errs.Add(syntaxError(file, data, err))
		return nil
	}
	if len(documents) == 0 || len(documents[0].Content) == 0 {
		return &Node{Place: Place{file, 1, 1}, Kind: Map, errs: errs}
	}
	if len(documents) > 1 {
		second := documents[1]
		errs.Add(Place{file, second.Line, second.Column}.Errorf("a second document begins here; keep one, or split the file"))
		return nil
	}
	b := builder{file: file, errs: errs, open: map[*yaml.Node]bool{}}
	root := b.build(documents[0].Content[0], "", 0)
	if b.full {
		return nil
	}
	return root
}

// unreadable finds the first character that no YAML file may hold.
func unreadable(file string, data []byte) (Place, string) {
	if len(data) >= 2 && (data[0] == 0xff && data[1] == 0xfe || data[0] == 0xfe && data[1] == 0xff) {
		return Place{file, 1, 1}, "the file is UTF-16; save it as UTF-8"
	}
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return Place{file, line, column}, "this byte is not UTF-8; save the file as UTF-8"
		case r == '\n':
			line, column = line+1, 0
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f:
			return Place{file, line, column}, "a control character stands here; remove it"
		}
		i, column = i+size, column+1
	}
	return Place{}, ""
}

// syntaxError turns the parser's error into a line a newcomer can act on.
func syntaxError(file string, data []byte, err error) *Error {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		return Place{File: file}.Errorf("not valid YAML: %s", oneLine(err.Error()))
	}
	at := Place{file, le.Mark.Line, le.Mark.Column}
	opened := Place{file, le.ContextMark.Line, le.ContextMark.Column}
	if at.Line == 0 {
		at = opened
	}
	switch {
	case strings.Contains(le.ContextMsg, "quoted scalar"):
		return opened.Errorf("the quote opened here is never closed; close it")
	case strings.Contains(le.ContextMsg, "flow sequence"):
		return opened.Errorf("the [ opened here is not closed; close it with ]")
	case strings.Contains(le.ContextMsg, "flow mapping"):
		return opened.Errorf("the { opened here is not closed; close it with }")
	case strings.Contains(le.Message, "mapping values are not allowed"):
		return at.Errorf(`not valid YAML: put text that holds ": " in quotes, or correct the indentation`)
	case strings.Contains(le.Message, "cannot start any token"):
		if c := charAt(data, at); c == '\t' {
			return at.Errorf("a tab cannot indent YAML; use spaces")
		} else if c != 0 {
			return at.Errorf("no value can begin with %q; put the text in quotes", c)
		}
	case strings.Contains(le.Message, "did not find expected key"),
		strings.Contains(le.Message, "did not find expected '-' indicator"):
		return at.Errorf("not valid YAML: this line is indented differently from those it belongs to; align it")
	case strings.Contains(le.Message, "could not find expected ':'"):
		return at.Errorf(`not valid YAML: the key before this place has no ":"; write "key: value"`)
	case strings.HasPrefix(le.Message, "unknown anchor"):
		return at.Errorf("%s; define it before with &, or put a text that begins with * in quotes", le.Message)
	}
	return at.Errorf("not valid YAML: %s", oneLine(le.Message))
}

// charAt returns the character at a place, or 0 beyond the end.
func charAt(data []byte, at Place) rune {
	lines := strings.Split(string(data), "\n")
	if at.Line < 1 || at.Line > len(lines) {
		return 0
	}
	line := []rune(lines[at.Line-1])
	if at.Column < 1 || at.Column > len(line) {
		return 0
	}
	return line[at.Column-1]
}

// oneLine keeps a foreign message to one line of bounded length.
func oneLine(s string) string { return shorten(strings.Join(strings.Fields(s), " "), 200) }

// shorten cuts s to at most n characters.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}
