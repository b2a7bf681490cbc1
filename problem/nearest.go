package problem

import (
	"maps"
	"slices"
)

// Nearest returns the name of known that is most like word, for a message such as
// `did you mean "price"?`, and "" when none is near: more than a third of the
// longer one's letters, and more than one, would have to change.
func Nearest(word string, known []string) string {
	best, fewest := "", 0
	w := []rune(word)
	if len(w) > 100 { // nothing is near to that, and the work grows with its length
		return ""
	}
	for _, name := range known {
		n := []rune(name)
		d := distance(w, n)
		if d <= max(1, max(len(w), len(n))/3) && d < max(len(w), len(n)) && (best == "" || d < fewest) {
			best, fewest = name, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b []rune) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		last[j] = j
	}
	for i := range a {
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
