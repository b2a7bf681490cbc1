package strictyaml

import (
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster/problem"
)

// maxListed bounds the known words in a message.
const maxListed = 8

// Suggest returns the end of a message about an unknown word: the known words it
// is near to, as in `; did you mean "replicas"?`, or "" when there is none.
func Suggest(word string, known []string) string {
	near := problem.Near(word, known)
	if len(near) == 0 {
		return ""
	}
	for i, k := range near {
		near[i] = strconv.Quote(k)
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// SuggestOrList is Suggest, and where nothing is near it lists the known words
// after what, as in `; the services are cart, catalog`.
func SuggestOrList(word string, known []string, what string) string {
	if s := Suggest(word, known); s != "" {
		return s
	}
	if len(known) == 0 {
		return "; there are no " + what
	}
	sorted := slices.Sorted(slices.Values(known))
	if len(sorted) > maxListed {
		sorted = append(sorted[:maxListed], "…")
	}
	return "; the " + what + " are " + strings.Join(sorted, ", ")
}
