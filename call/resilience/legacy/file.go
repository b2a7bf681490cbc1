package legacy

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// The bounds of a file, aliases expanded.
const (
	maxValues = 100_000
	maxDepth  = 32
	maxKeys   = 2000 // of the library it is read for: what an instance builds on is read for each
)

// document is what a part of a file says; a file may have several, told apart by ---.
type document struct {
	properties []property
}

// under returns the properties below a first part of the key.
func (d document) under(root string) []property {
	return slices.DeleteFunc(slices.Clone(d.properties), func(p property) bool {
		return len(p.path) == 0 || relaxed(p.path[0]) != root
	})
}

// each calls sort with every property below root, and the profile it is for.
func each(file string, data []byte, root string, sort func(p property, profile string)) error {
	docs, err := read(file, data)
	if err != nil {
		return err
	}
	count := 0
	for _, d := range docs {
		list, profile := d.under(root), d.profile()
		if count += len(list); count > maxKeys {
			return fmt.Errorf("%s: the file has more than %d keys below %s; split it", file, maxKeys, root)
		}
		for _, p := range list {
			sort(p, profile)
		}
	}
	return nil
}

// profile returns the profile a document is for, "" when it is for all.
func (d document) profile() string {
	for _, p := range d.properties {
		switch relaxed(strings.Join(p.path, ".")) {
		case "spring.config.activate.onprofile", "spring.profiles":
			return p.value
		}
	}
	return ""
}

// read takes a file apart: .properties by its name, anything else as YAML.
func read(file string, data []byte) ([]document, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%s: the file is larger than %d KiB", file, MaxSize>>10)
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s: the file is not UTF-8", file)
	}
	if path.Ext(file) == ".properties" {
		return readProperties(string(data)), nil
	}
	var roots []yaml.Node
	if err := yaml.Load(data, &roots, yaml.WithAllDocuments()); err != nil {
		return nil, fmt.Errorf("%s: not valid YAML: %s", file, strings.Join(strings.Fields(err.Error()), " "))
	}
	f := flattener{left: maxValues}
	var all []document
	for i := range roots {
		f.out = nil
		if len(roots[i].Content) > 0 {
			f.flatten(roots[i].Content[0], nil, 0)
		}
		all = append(all, document{f.out})
	}
	if f.err != nil {
		return nil, fmt.Errorf("%s: %w", file, f.err)
	}
	return all, nil
}

type flattener struct {
	left int
	out  []property
	err  error
}

func (f *flattener) flatten(n *yaml.Node, at []string, depth int) {
	if f.left--; f.err == nil && (f.left < 0 || depth > maxDepth) {
		f.err = fmt.Errorf("the file holds more than %d values or is nested more than %d deep", maxValues, maxDepth)
	}
	if f.err != nil {
		return
	}
	switch n.Kind {
	case yaml.AliasNode:
		f.flatten(n.Alias, at, depth+1)
	case yaml.MappingNode:
		if len(n.Content) == 0 && len(at) > 0 {
			f.out = append(f.out, property{path: at, text: strings.Join(at, "."), line: n.Line})
		}
		f.pairs(n, at, depth)
	case yaml.SequenceNode:
		if len(at) > 0 {
			f.out = append(f.out, property{path: at, text: strings.Join(at, "."), value: "a list", line: n.Line, list: true})
		}
	case yaml.ScalarNode:
		value := n.Value
		if n.ShortTag() == "!!null" {
			value = ""
		}
		f.out = append(f.out, property{path: at, text: strings.Join(at, "."), value: value, line: n.Line})
	}
}

// pairs reads a mapping; its own keys after those that are merged in, so that they win.
func (f *flattener) pairs(n *yaml.Node, at []string, depth int) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key, value := n.Content[i], n.Content[i+1]; key.ShortTag() == "!!merge" {
			f.flatten(value, at, depth+1)
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
			continue
		}
		part, _ := split(key.Value)
		if len(at) > 0 && !strings.HasPrefix(key.Value, "[") {
			part = dotted(at, key.Value)
		}
		f.flatten(value, append(slices.Clip(at), part...), depth+1)
	}
}

// dotted splits a key with dots in it, as Spring does, except where the name of an
// instance or command is expected: that may hold dots.
func dotted(at []string, key string) []string {
	switch relaxed(at[len(at)-1]) {
	case "instances", "backends", "configs", "command", "threadpool":
		return []string{key}
	}
	part, _ := split(key)
	return part
}

// readProperties reads Java's format: key and value apart by =, : or a space, # and !
// begin a comment, \ goes on in the next line, \uXXXX and \t are characters. #--- begins
// a new document.
func readProperties(text string) []document {
	docs := []document{{}}
	lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line, at := strings.TrimLeft(lines[i], " \t\f"), i+1
		if line == "#---" || line == "!---" {
			docs = append(docs, document{})
			continue
		}
		if line == "" || line[0] == '#' || line[0] == '!' {
			continue
		}
		for goesOn(line) && i+1 < len(lines) {
			i++
			line = line[:len(line)-1] + strings.TrimLeft(lines[i], " \t\f")
		}
		key, value := cutPair(line)
		if path, list := split(key); len(path) > 0 {
			last := &docs[len(docs)-1]
			last.properties = append(last.properties, property{path: path, text: key, value: strings.TrimSpace(value), line: at, list: list})
		}
	}
	return docs
}

// goesOn reports whether a line ends with an odd number of backslashes.
func goesOn(line string) bool {
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// cutPair finds the end of the key and removes the escapes of both parts.
func cutPair(line string) (key, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(line[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	return unescape(line[:end]), unescape(rest)
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if code, err := strconv.ParseUint(s[i+1:min(i+5, len(s))], 16, 16); err == nil && i+5 <= len(s) {
				b.WriteRune(rune(code))
				i += 4
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
