package plan

import (
	"errors"
	"fmt"

	"github.com/musterdev/muster/data/saga/internal/table"
)

// Check returns what is wrong with a definition, each in a line of its own.
func (d *Definition) Check() error {
	what := fmt.Sprintf("%q version %d", d.Name, d.Version)
	var found []error
	wrong := func(format string, args ...any) {
		found = append(found, fmt.Errorf("saga: %s: %s", what, fmt.Sprintf(format, args...)))
	}
	if !validName(d.Name) {
		wrong("the name takes 1 to 50 of a-z, 0-9 and -, beginning with a letter")
	}
	if d.Version < 1 {
		wrong("the version is at least 1")
	}
	if len(d.Steps) == 0 {
		wrong("it has no steps: give it at least one")
	}
	d.checkUpgrade(wrong)
	seen := map[string]bool{}
	pivots := 0
	for i, s := range d.Steps {
		which := fmt.Sprintf("step %d, %q,", i+1, s.Name)
		switch {
		case s.Do == nil && s.Name == "" && !s.Local && !s.Pivot && s.Timeout == 0:
			wrong("step %d is empty: give a Local or Remote with Name and Do", i+1)
			continue
		case !validName(s.Name):
			wrong("%s has a bad name: it takes 1 to 50 of a-z, 0-9 and -, beginning with a letter", which)
		case s.Name == table.End:
			wrong("%s has a name that is taken for the end of a saga: choose another", which)
		case seen[s.Name]:
			wrong("%s has the name of an earlier step: give each its own", which)
		}
		seen[s.Name] = true
		if s.Pivot {
			if pivots++; pivots > 1 {
				wrong("%s is a second pivot: there is at most one", which)
			}
		}
		if s.Do == nil {
			wrong("%s has no Do", which)
		}
		if s.Timeout < 0 {
			wrong("%s has the timeout %s: give a positive one, or 0 for %s", which, s.Timeout, DefaultTimeout)
		}
		switch {
		case s.Undo != nil && s.NoUndo:
			wrong("%s has an Undo and says NoUndo: one of them is too much", which)
		case i > d.Pivot && s.Undo != nil:
			wrong("%s comes after the pivot %q and is never undone: take its Undo away, or move it before the pivot", which, d.Steps[d.Pivot].Name)
		case i < d.Pivot && s.Undo == nil && !s.NoUndo:
			wrong("%s has no Undo and comes before the pivot %q: give one, or say NoUndo when there is nothing to take back", which, d.Steps[d.Pivot].Name)
		}
	}
	return errors.Join(found...)
}

func (d *Definition) checkUpgrade(wrong func(format string, args ...any)) {
	for _, from := range d.From {
		if from < 1 || from >= d.Version {
			wrong("it takes over version %d: only earlier ones can be", from)
		}
	}
	switch {
	case len(d.From) > 0 && d.Upgrade == nil:
		wrong("it takes over earlier versions and has no Upgrade: say how")
	case len(d.From) == 0 && d.Upgrade != nil:
		wrong("it has an Upgrade and no From: say which versions it takes over")
	}
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || i > 0 && (c >= '0' && c <= '9' || c == '-') {
			continue
		}
		return false
	}
	return s != "" && len(s) <= 50
}
