package graph

import "strings"

// name is a text kept once, by number; 0 is "".
type name uint32

// names keeps texts, each once, and not without bound: who makes up ever new ones gets
// otherName.
type names struct {
	texts  []string
	of     map[string]name
	nodes  int
	labels map[name]map[string]name // of each service
}

func newNames() names {
	n := names{of: map[string]name{}, labels: map[name]map[string]name{}}
	n.keep("")
	n.keep(otherName)
	return n
}

func (n *names) keep(text string) name {
	if id, ok := n.of[text]; ok {
		return id
	}
	text = strings.Clone(text) // it may be a piece of a whole request
	id := name(len(n.texts))   //nolint:gosec // bounded by mostNodes and mostNames
	n.texts = append(n.texts, text)
	n.of[text] = id
	return id
}

// longest is how much of a text is kept, in bytes: a topic or a host may be an attribute
// of any length.
const longest = 256

func short(text string) string {
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

// node returns the number of a node's name.
func (n *names) node(text string) name {
	text = short(text)
	if id, ok := n.of[text]; ok {
		return id
	}
	if n.nodes >= mostNodes {
		return n.of[otherName]
	}
	n.nodes++
	return n.keep(text)
}

// label returns the number of an operation or topic that a service names.
func (n *names) label(service name, text string) name {
	text = short(text)
	known := n.labels[service]
	if id, ok := known[text]; ok {
		return id
	}
	if len(known) >= mostNames {
		return n.of[otherName]
	}
	if known == nil {
		known = map[string]name{}
		n.labels[service] = known
	}
	id := n.keep(text)
	known[n.texts[id]] = id
	return id
}
