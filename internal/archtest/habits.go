package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Names finds folders whose name says nothing about what is in them.
func Names(t *Tree) []Finding {
	drawers := []string{"util", "utils", "common", "helper", "helpers", "base", "shared", "misc", "types", "lib", "pkg"}
	var found []Finding
	for _, p := range t.Packages {
		if name := path.Base(p.Folder); slices.Contains(drawers, name) {
			found = append(found, Finding{p.Folder, fmt.Sprintf("a folder named %s holds anything; name it after what it does", name)})
		}
	}
	return found
}

// The budgets of [Sizes], in lines.
const (
	MaxFile    = 500  // a file, written by hand, tests included
	MaxPackage = 2000 // a package, written by hand, tests left out
)

// Sizes finds files and packages that are too large to be read in one sitting. The
// report lists the largest of each, for the log.
func Sizes(t *Tree) (report string, found []Finding) {
	type size struct {
		name  string
		lines int
	}
	var files, packages []size
	code, tests := 0, 0
	for _, p := range t.Packages {
		sum := 0
		for _, f := range p.Files {
			if f.Generated {
				continue
			}
			files = append(files, size{f.Path, f.Lines})
			if f.Test {
				tests += f.Lines
			} else {
				sum += f.Lines
			}
			if f.Lines > MaxFile {
				found = append(found, Finding{f.Path, fmt.Sprintf("%d lines, the budget of a file is %d; split it by what it does", f.Lines, MaxFile)})
			}
		}
		code += sum
		packages = append(packages, size{p.Folder, sum})
		if sum > MaxPackage {
			found = append(found, Finding{p.Folder, fmt.Sprintf("%d lines, the budget of a package is %d; split it by what it does", sum, MaxPackage)})
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d packages, %d lines of code and %d of tests, written by hand\n", len(packages), code, tests)
	for _, sizes := range [][]size{packages, files} {
		slices.SortStableFunc(sizes, func(a, b size) int { return b.lines - a.lines })
		for _, s := range sizes[:min(5, len(sizes))] {
			fmt.Fprintf(&b, "%6d %s\n", s.lines, s.name)
		}
	}
	return b.String(), found
}
