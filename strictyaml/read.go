package strictyaml

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fields reads the values of a mapping with known keys: each key's function is
// called with the value, if the key is there.
type Fields map[string]func(*Node)

// Fields reads a mapping whose keys are known; another key is an error. what says
// in an error what the mapping describes ("a service"). It reports whether the
// node is a mapping.
func (n *Node) Fields(what string, fields Fields) bool {
	if n.Kind != Map {
		n.Wants("a mapping that describes " + what)
		return false
	}
	for _, p := range n.Pairs {
		read, ok := fields[p.Name]
		if !ok {
			known := slices.Sorted(maps.Keys(fields))
			hint := Suggest(p.Name, known)
			if hint == "" {
				hint = "; " + what + " has " + strings.Join(known, ", ")
			}
			n.errs.Add(p.Place.Errorf("unknown key %s%s", quote(p.Name), hint))
			continue
		}
		read(p.Value)
	}
	return true
}

// Has reports whether a mapping has the key.
func (n *Node) Has(key string) bool {
	return slices.ContainsFunc(n.Pairs, func(p Pair) bool { return p.Name == key })
}

// Each returns the pairs of a mapping whose keys are free; what says in an error
// what it maps ("names to services").
func (n *Node) Each(what string) []Pair {
	if n.Kind != Map {
		n.Wants("a mapping of " + what)
		return nil
	}
	return n.Pairs
}

// Errorf records an error at the place of the key.
func (p Pair) Errorf(format string, args ...any) {
	p.Value.errs.Add(p.Place.Errorf(format, args...))
}

// OneOrMore returns the items of a list, or the node itself when it is no list.
func (n *Node) OneOrMore() []*Node {
	if n.Kind == List {
		return n.Items
	}
	return []*Node{n}
}

// Text reads a text; what says what it means ("a folder").
func (n *Node) Text(what string) (string, bool) {
	if n.Kind == Scalar && n.scalar == typeText {
		return n.Value, true
	}
	n.Wants(what)
	return "", false
}

// Word reads any scalar but null as the text that stands in the file, so that
// `yes`, `0755` and `1.10` stay what the author wrote.
func (n *Node) Word(what string) (string, bool) {
	if n.Kind == Scalar && n.scalar != typeNull {
		return n.Value, true
	}
	n.Wants(what)
	return "", false
}

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

// Int reads a whole number from low to high.
func (n *Node) Int(low, high int) (int, bool) {
	if n.Kind == Scalar && n.scalar == typeInt && decimal.MatchString(n.Value) {
		if v, err := strconv.Atoi(n.Value); err == nil && low <= v && v <= high {
			return v, true
		}
	}
	want := fmt.Sprintf("a whole number from %d to %d", low, high)
	if n.Kind == Scalar && n.scalar == typeText && decimal.MatchString(n.Value) {
		n.Errorf("%s wants %s; found %s: remove the quotes", quote(n.Key), want, n.found())
		return 0, false
	}
	n.Wants(want)
	return 0, false
}

// Float reads a number that is finite.
func (n *Node) Float() (float64, bool) {
	if n.Kind == Scalar && (n.scalar == typeFloat || n.scalar == typeInt) {
		if v, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsInf(v, 0) && !math.IsNaN(v) {
			return v, true
		}
	}
	n.Wants("a number")
	return 0, false
}

// Bool reads true or false.
func (n *Node) Bool() (value, ok bool) {
	if n.IsBool() {
		return strings.EqualFold(n.Value, "true"), true
	}
	n.Wants("true or false")
	return false, false
}

// IsBool reports whether the node is true or false.
func (n *Node) IsBool() bool { return n.Kind == Scalar && n.scalar == typeBool }

// Duration reads a duration in Go's notation from low to high.
func (n *Node) Duration(low, high time.Duration) (time.Duration, bool) {
	if n.Kind == Scalar && n.scalar == typeText {
		if v, err := time.ParseDuration(n.Value); err == nil && low <= v && v <= high {
			return v, true
		}
	}
	n.Wants(fmt.Sprintf("a duration from %s to %s, such as \"2s\"", brief(low), brief(high)))
	return 0, false
}

// brief writes "10m" where the standard library writes "10m0s".
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Wants records that another value was wanted.
func (n *Node) Wants(want string) {
	if n.Key == "" {
		n.Errorf("found %s, wanted %s", n.found(), want)
		return
	}
	n.Errorf("%s wants %s; found %s", quote(n.Key), want, n.found())
}

// found names what the node is.
func (n *Node) found() string {
	switch {
	case n.Kind == List:
		return "a list"
	case n.Kind == Map:
		return "a mapping"
	case n.scalar == typeNull:
		return "nothing"
	case n.scalar == typeText:
		return "the text " + quote(n.Value)
	case n.scalar == typeBool:
		return shorten(n.Value, 60)
	}
	return "the number " + shorten(n.Value, 60)
}

// quote quotes a bounded part of s, so that it stays on one line.
func quote(s string) string { return strconv.Quote(shorten(s, 60)) }
