package problem

import (
	"maps"
	"slices"
	"strings"
)

const (
	maxNear  = 3    // names as near as one another that are still worth telling
	maxWord  = 64   // characters; a longer word is near to nothing
	maxKnown = 1000 // names that are searched
)

// Near returns the names of known that are most like word, for a message such as
// `did you mean "price"?`: those with the fewest letters to change, case apart, sorted.
// It is empty when none is near or more than three are: one letter of three may
// differ, two of seven, three of more.
func Near(word string, known []string) []string {
	if len(known) > maxKnown {
		return nil
	}
	w := []rune(strings.ToLower(word))
	best := allowed(len(w)) + 1
	var near []string
	for _, name := range known {
		switch d := distance(w, []rune(strings.ToLower(name)), best); {
		case d < best:
			best, near = d, []string{name}
		case d == best && d <= allowed(len(w)):
			near = append(near, name)
		}
	}
	if len(near) > maxNear {
		return nil
	}
	slices.Sort(near)
	return near
}

// Nearest returns the first of [Near], "" when there is none.
func Nearest(word string, known []string) string {
	if near := Near(word, known); len(near) > 0 {
		return near[0]
	}
	return ""
}

// allowed is how many mistakes a word of so many letters may hold and still be meant.
func allowed(letters int) int {
	switch {
	case letters <= 1:
		return 0
	case letters <= 3:
		return 1
	case letters <= 7:
		return 2
	}
	return 3
}

// distance counts the letters to insert, delete, replace or swap with their neighbour
// to make b of a (optimal string alignment); any value over bound may be bound+1.
func distance(a, b []rune, bound int) int {
	if len(a)-len(b) > bound || len(b)-len(a) > bound || len(a) > maxWord || len(b) > maxWord {
		return bound + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
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
			if i > 0 && j > 0 && a[i-1] == b[j] && a[i] == b[j-1] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
