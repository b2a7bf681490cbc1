package archtest

import (
	"maps"
	"slices"
	"strings"
)

// Versions reads the output of `go list -m all`: module path to selected version.
// Modules replaced by a folder have no version that could move and are left out.
func Versions(list string) map[string]string {
	versions := map[string]string{}
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) == 2 {
			versions[f[0]] = f[1]
		}
	}
	return versions
}

// Moved returns the modules that before and after both select, at other versions.
func Moved(before, after map[string]string) []string {
	var moved []string
	for _, m := range slices.Sorted(maps.Keys(before)) {
		if v, ok := after[m]; ok && v != before[m] {
			moved = append(moved, m)
		}
	}
	return moved
}

// Closure reads the output of `go mod graph` and returns the modules that those
// whose path begins with one of roots ask for, directly or not, and they themselves.
func Closure(modGraph string, roots ...string) map[string]bool {
	asks := map[string][]string{} // module@version to modules@version
	var open []string
	for line := range strings.Lines(modGraph) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		asks[f[0]] = append(asks[f[0]], f[1])
		for _, root := range roots {
			if strings.HasPrefix(f[1], root) {
				open = append(open, f[1])
			}
		}
	}
	closure, seen := map[string]bool{}, map[string]bool{}
	for len(open) > 0 {
		node := open[len(open)-1]
		open = open[:len(open)-1]
		if seen[node] {
			continue
		}
		seen[node] = true
		module, _, _ := strings.Cut(node, "@")
		closure[module] = true
		open = append(open, asks[node]...)
	}
	return closure
}
