package strictyaml

import (
	"slices"
	"strconv"
	"strings"
)

const (
	maxListed = 8    // known words in a message
	maxKnown  = 1000 // known words that are searched for near ones
)

// Suggest returns the end of a message about an unknown word: the known words it
// is near to, as in `; did you mean "replicas"?`, or "" when there is none.
func Suggest(word string, known []string) string {
	if len(known) > maxKnown {
		return ""
	}
	best := limit(word) + 1
	var near []string
	for _, k := range known {
		switch d := distance(strings.ToLower(word), strings.ToLower(k), best); {
		case d < best:
			best, near = d, []string{k}
		case d == best && d <= limit(word):
			near = append(near, k)
		}
	}
	if len(near) == 0 || len(near) > 3 {
		return ""
	}
	slices.Sort(near)
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

// limit is how many mistakes a word of that length may hold and still be meant.
func limit(word string) int {
	switch n := len(word); {
	case n <= 1:
		return 0
	case n <= 3:
		return 1
	case n <= 7:
		return 2
	}
	return 3
}

// distance is the optimal string alignment distance of a and b in bytes, in which
// swapped neighbours count once; any value over bound may be returned as bound+1.
func distance(a, b string, bound int) int {
	if len(a)-len(b) > bound || len(b)-len(a) > bound || len(a) > 64 || len(b) > 64 {
		return bound + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
