package archtest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Arrows finds the imports that floors does not allow, and folders it does not know.
func Arrows(t *Tree, floors []Floor) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		floor, ok := floorOf(floors, p.Folder)
		if !ok {
			found = append(found, Finding{p.Folder, "stands on no floor; add its row to internal/archtest/floors.go"})
			continue
		}
		for _, f := range p.Files {
			for _, i := range f.Imports {
				if !floor.allows(p.Folder, i.Folder, f.Test) {
					found = append(found, Finding{fmt.Sprintf("%s:%d", f.Path, i.Line), forbidden(floor, p.Folder, i.Folder)})
				}
			}
		}
	}
	return found
}

func forbidden(floor Floor, from, to string) string {
	may := strings.TrimSpace(floor.May)
	if may == "" {
		may = "nothing of Muster"
	}
	return fmt.Sprintf("%s may not import %s; its floor imports %s: move the code to where the arrow points down", from, to, may)
}

// Cycles finds rows of floors that may, by way of others, import each other: such
// a table would order nothing.
func Cycles(floors []Floor) []Finding {
	var found []Finding
	state := map[string]int{} // 1 while on the path, 2 when done
	var walk func(f Floor, trail []string)
	walk = func(f Floor, trail []string) {
		trail = append(trail, f.Folder)
		state[f.Folder] = 1
		for _, to := range floors {
			if to.Folder == f.Folder || !f.reaches(floors, to) {
				continue
			}
			switch state[to.Folder] {
			case 0:
				walk(to, trail)
			case 1:
				at := slices.Index(trail, to.Folder)
				loop := append(slices.Clone(trail[at:]), to.Folder)
				found = append(found, Finding{"internal/archtest/floors.go", "the table has a cycle: " + strings.Join(loop, " -> ")})
			}
		}
		state[f.Folder] = 2
	}
	for _, f := range floors {
		if state[f.Folder] == 0 {
			walk(f, nil)
		}
	}
	return found
}

// reaches reports whether packages of f may import a package that to is the row of.
func (f Floor) reaches(floors []Floor, to Floor) bool {
	folder := strings.TrimSuffix(to.Folder, "/...")
	own, ok := floorOf(floors, folder)
	return ok && own.Folder == to.Folder && f.allows("", folder, false)
}

// Deletable finds files of the shop's services, beside main.go and run.go, that
// import package muster: without those two a service must still compile.
func Deletable(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		if !strings.HasPrefix(p.Folder, "shop/") {
			continue
		}
		for _, f := range p.Files {
			if base := path.Base(f.Path); f.Test || base == "main.go" || base == "run.go" {
				continue
			}
			for _, i := range f.Imports {
				if i.Folder == "." {
					found = append(found, Finding{fmt.Sprintf("%s:%d", f.Path, i.Line), "only main.go and run.go of a service may import package muster; take the plain type (*sql.DB, *http.Client, *slog.Logger) instead"})
				}
			}
		}
	}
	return found
}
