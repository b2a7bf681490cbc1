package strictyaml

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// Kind is the kind of a node.
type Kind int

// The kinds of a node.
const (
	Scalar Kind = iota
	List
	Map
)

// The types of a scalar.
const (
	typeText  = "!!str"
	typeInt   = "!!int"
	typeFloat = "!!float"
	typeBool  = "!!bool"
	typeNull  = "!!null"
)

// Node is one value of a document, its aliases and merge keys already resolved.
// It is for reading only.
type Node struct {
	Place Place  // of the value; of what was anchored, if an alias stood here
	Key   string // the key it was given under, or that of the list it is in; "" at the root
	Kind  Kind
	Value string // of a Scalar, as written, quotes and escapes removed
	Items []*Node
	Pairs []Pair // in the order of the file

	scalar string // the type of a Scalar
	errs   *Collector
}

// Pair is one key of a Map and its value.
type Pair struct {
	Name  string
	Place Place // of the key
	Value *Node
}

// Errorf records an error at the node's place.
func (n *Node) Errorf(format string, args ...any) {
	n.errs.Add(n.Place.Errorf(format, args...))
}

// builder copies the parser's tree into nodes without aliases.
type builder struct {
	file  string
	errs  *Collector
	count int
	full  bool                // a limit was met: its error is recorded, the rest is skipped
	open  map[*yaml.Node]bool // the nodes being built, to find one within itself
}

func (b *builder) place(n *yaml.Node) Place { return Place{b.file, n.Line, n.Column} }

// stop records that a limit was met.
func (b *builder) stop(n *yaml.Node, format string, args ...any) *Node {
	if !b.full {
		b.full = true
		b.errs.Add(b.place(n).Errorf(format, args...))
	}
	return nil
}

// build returns the node for n, or nil when it holds an error or a limit was met.
func (b *builder) build(n *yaml.Node, key string, depth int) *Node {
	if b.full {
		return nil
	}
	if b.count++; b.count > MaxNodes {
		return b.stop(n, "the file holds more than %d values, aliases expanded; make it smaller", MaxNodes)
	}
	if depth > MaxDepth {
		return b.stop(n, "lists and mappings are nested more than %d deep; make it flatter", MaxDepth)
	}
	if n.Kind == yaml.AliasNode {
		if b.open[n.Alias] {
			return b.stop(n, "*%s stands within its own definition; remove it", shorten(n.Value, 40))
		}
		return b.build(n.Alias, key, depth)
	}
	b.open[n] = true
	defer delete(b.open, n)

	out := &Node{Place: b.place(n), Key: key, errs: b.errs}
	switch n.Kind {
	case yaml.SequenceNode:
		out.Kind = List
		for _, item := range n.Content {
			if v := b.build(item, key, depth+1); v != nil {
				out.Items = append(out.Items, v)
			}
		}
	case yaml.MappingNode:
		out.Kind = Map
		out.Pairs = b.pairs(n, depth)
	case yaml.ScalarNode:
		return b.scalar(n, out)
	default:
		return b.stop(n, "a value is expected here")
	}
	if tag := n.ShortTag(); tag != "!!map" && tag != "!!seq" {
		out.Errorf("the tag %s is not known here; remove it", shorten(tag, 40))
		return nil
	}
	return out
}

// scalar fills out with the value of n.
func (b *builder) scalar(n *yaml.Node, out *Node) *Node {
	out.Value, out.scalar = n.Value, n.ShortTag()
	switch out.scalar {
	case typeText, typeInt, typeFloat, typeBool, typeNull:
	case "!!timestamp":
		out.scalar = typeText // a date is text to everyone but YAML 1.1
	case "!!merge":
		out.scalar = typeText // "<<" as a value is what it looks like
	default:
		out.Errorf("the tag %s is not known here; remove it", shorten(out.scalar, 40))
		return nil
	}
	if strings.ContainsRune(n.Value, 0) {
		out.Errorf("the text holds a NUL character; remove it")
		return nil
	}
	return out
}

// pairs returns the keys of a mapping and their values, those of merge keys last.
func (b *builder) pairs(n *yaml.Node, depth int) []Pair {
	var own, merged []Pair
	first := map[string]Place{}
	for i := 0; i+1 < len(n.Content) && !b.full; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		place := b.place(n.Content[i])
		if key.Kind != yaml.ScalarNode || key.ShortTag() == typeNull || strings.ContainsRune(key.Value, 0) {
			b.errs.Add(place.Errorf("a key must be a word; write \"key: value\""))
			continue
		}
		if key.ShortTag() == "!!merge" {
			merged = append(merged, b.merge(value, depth)...)
			continue
		}
		if at, twice := first[key.Value]; twice {
			b.errs.Add(place.Errorf("the key %q is given twice, first at line %d; remove one", shorten(key.Value, 60), at.Line))
			continue
		}
		first[key.Value] = place
		if v := b.build(value, key.Value, depth+1); v != nil {
			own = append(own, Pair{key.Value, place, v})
		}
	}
	for _, p := range merged {
		if _, given := first[p.Name]; !given {
			first[p.Name] = p.Place
			own = append(own, p)
		}
	}
	return own
}

// merge returns the pairs that a merge key brings in.
func (b *builder) merge(n *yaml.Node, depth int) []Pair {
	v := b.build(n, "<<", depth+1)
	if v == nil {
		return nil
	}
	sources := []*Node{v}
	if v.Kind == List {
		sources = v.Items
	}
	var pairs []Pair
	for _, s := range sources {
		if s.Kind != Map {
			s.Errorf("\"<<\" wants a mapping, such as an alias of one; found %s", s.found())
			continue
		}
		pairs = append(pairs, s.Pairs...)
	}
	return pairs
}
