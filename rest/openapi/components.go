package openapi

import (
	"fmt"
	"path"
	"strings"
)

// Components gives every collected type its name and returns them in that order of
// collection: the Go type's name, with "Input" behind it where the type also goes
// out in another form, and the package before it where two packages have the name.
// Names in taken are left to their owners. Call it once, after the last Of.
func (s *Schemas) Components(taken ...string) Map[*Schema] {
	used := map[string]bool{}
	for _, name := range taken {
		used[name] = true
	}
	var all Map[*Schema]
	for _, c := range s.list {
		base := plainName(c.t.Name())
		suffix := ""
		if c.dir == Input && s.byKey[key{c.t, Output}] != nil {
			suffix = "Input"
		}
		name := base + suffix
		if used[name] {
			name = plainName(path.Base(c.t.PkgPath())) + "." + name
		}
		for n, first := 2, name; used[name]; n++ {
			name = fmt.Sprintf("%s_%d", first, n)
		}
		used[name] = true
		c.name = name
		all = append(all, Entry[*Schema]{name, c.schema})
	}
	return all
}

// plainName makes of Page[example.com/shop.Product] the name Page_Product: a
// component's name has letters, digits and . - _ only.
func plainName(name string) string {
	outer, inner, generic := strings.Cut(name, "[")
	if generic {
		for arg := range strings.SplitSeq(strings.TrimSuffix(inner, "]"), ",") {
			arg, deeper, nested := strings.Cut(arg, "[")
			arg = arg[strings.LastIndexAny(arg, "./")+1:]
			if nested {
				arg += "[" + deeper
			}
			outer += "_" + plainName(arg)
		}
	}
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return -1
	}, outer)
}
