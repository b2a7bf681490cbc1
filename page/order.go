package page

import (
	"fmt"
	"slices"
	"strings"
)

// order reads a sort parameter. It ends the terms with the Key, in the direction of
// the term before it, so that one index serves forwards or backwards.
func (s Spec) order(sort string) ([]Order, error) {
	var terms []Order
	if sort != "" {
		for name := range strings.SplitSeq(sort, ",") {
			name, desc := strings.CutPrefix(name, "-")
			f, ok := s.field(name)
			switch {
			case !ok || !f.Sort && f.Name != s.Key:
				return nil, fmt.Errorf("cannot sort by %q%s", clip(name), hint(name, s.sortable()))
			case slices.ContainsFunc(terms, func(o Order) bool { return o.Field == name }):
				return nil, fmt.Errorf("names %q twice", name)
			}
			terms = append(terms, Order{Field: name, Desc: desc})
		}
	}
	if i := slices.IndexFunc(terms, func(o Order) bool { return o.Field == s.Key }); i >= 0 {
		return terms[:i+1], nil // no two rows are equal so far: what follows decides nothing
	}
	desc := len(terms) > 0 && terms[len(terms)-1].Desc
	return append(terms, Order{Field: s.Key, Desc: desc}), nil
}

func (s Spec) sortable() []string {
	var names []string
	for _, f := range s.Fields {
		if f.Sort || f.Name == s.Key {
			names = append(names, f.Name)
		}
	}
	return names
}
