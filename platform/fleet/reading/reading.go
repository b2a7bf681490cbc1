// Package reading reads single values of a muster.yaml by the rules of package grammar,
// and records what is wrong where it stands.
package reading

import (
	"fmt"
	"slices"

	"github.com/musterdev/muster/platform/fleet/expand"
	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/strictyaml"
)

// Text reads a text by a rule, which returns what it stands for or what is wrong with it;
// what says what is wanted. false: the mistake is recorded.
func Text[T any](n *strictyaml.Node, what string, rule func(string) (T, error)) (T, bool) {
	var none T
	text, ok := n.Text(what)
	if !ok {
		return none, false
	}
	v, err := rule(text)
	if err != nil {
		n.Errorf("%v", err)
		return none, false
	}
	return v, true
}

// Key checks the key of a pair by a rule. false: the mistake is recorded.
func Key(p strictyaml.Pair, rule func(string) (string, error)) bool {
	if _, err := rule(p.Name); err != nil {
		p.Errorf("%v", err)
		return false
	}
	return true
}

// OneOf is the rule that a text is one of a few words; what names them all.
func OneOf(what string, words ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !slices.Contains(words, s) {
			return "", fmt.Errorf("%q is none of the %s%s", grammar.Short(s), what, strictyaml.SuggestOrList(s, words, what))
		}
		return s, nil
	}
}

// Command reads a command: a line that is split as a shell would, or its words.
func Command(n *strictyaml.Node) ([]string, bool) {
	if n.Kind != strictyaml.List {
		return Text(n, "a command, or a list of its words", expand.Split)
	}
	var words []string
	for _, item := range n.Items {
		w, ok := item.Word("a word of a command")
		if !ok {
			return nil, false
		}
		words = append(words, w)
	}
	if len(words) == 0 || words[0] == "" {
		n.Errorf("the command is empty; name the program")
		return nil, false
	}
	return words, true
}
