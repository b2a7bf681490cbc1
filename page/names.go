package page

import (
	"fmt"
	"strings"

	"github.com/musterdev/muster/problem"
)

// offers ends the sentence about an operator that the field does not have.
func (f Field) offers(suffix string) string {
	var have []string
	for _, o := range operators() {
		if f.Filter&o.op != 0 {
			have = append(have, o.param(f.Name))
		}
	}
	if len(have) == 0 {
		return "; it cannot be filtered by"
	}
	return hint(f.Name+"."+suffix, have)
}

// names returns every parameter the list offers.
func (s Spec) names() []string {
	names := []string{limitParam, cursorParam, sortParam}
	for _, f := range s.Fields {
		for _, o := range operators() {
			if f.Filter&o.op != 0 {
				names = append(names, o.param(f.Name))
			}
		}
	}
	return names
}

// hint names the nearest known word, or all of them when none is near.
func hint(word string, known []string) string {
	if near := problem.Nearest(word, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return "; known are " + strings.Join(known, ", ")
}

// clip bounds a name that the caller made up, for a message.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
