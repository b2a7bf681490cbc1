package bus

import (
	"fmt"
	"strings"
)

// Topic names the events of one kind and the Go type of their data. It is a plain
// value: declare it beside the type, in the package of the service that publishes it.
//
//	var Placed = bus.Topic[OrderPlaced]{Name: "orders.placed"}
//
// T is written as JSON, or in its own form where it is a protobuf message.
type Topic[T any] struct{ Name string }

// maxTopic is the most characters of a topic.
const maxTopic = 100

// ValidTopic returns what is wrong with a topic's name, nil for nothing: two to eight
// segments joined by dots, each of a-z, 0-9, - and _, beginning with a letter. The
// first segment names who owns it; topics that share it are kept together, in one
// order for each key.
func ValidTopic(name string) error { return valid("topic", name, false) }

// ValidPattern is ValidTopic for what may be subscribed to: a segment but the first
// may be *, which stands for any one.
func ValidPattern(name string) error { return valid("topic pattern", name, true) }

// Matches reports whether a topic is one that pattern stands for.
func Matches(pattern, topic string) bool {
	p, t := strings.Split(pattern, "."), strings.Split(topic, ".")
	if len(p) != len(t) {
		return false
	}
	for i := range p {
		if p[i] != t[i] && p[i] != "*" {
			return false
		}
	}
	return true
}

func valid(what, name string, wild bool) error {
	if len(name) > maxTopic {
		return fmt.Errorf("bus: the %s %.40q… has %d characters; at most %d are taken", what, name, len(name), maxTopic)
	}
	segments := strings.Split(name, ".")
	if len(segments) < 2 || len(segments) > 8 {
		return fmt.Errorf("bus: the %s %q has %d segments; it takes 2 to 8, such as orders.placed", what, name, len(segments))
	}
	for i, s := range segments {
		if wild && i > 0 && s == "*" {
			continue
		}
		if !validSegment(s) {
			return fmt.Errorf("bus: the %s %q has the segment %q: use a-z, 0-9, - and _, beginning with a letter", what, name, s)
		}
	}
	return nil
}

func validSegment(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '_') {
			continue
		}
		return false
	}
	return s != ""
}
