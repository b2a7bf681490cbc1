package watch

import (
	"path"
	"path/filepath"
	"strings"
)

// Glob returns the place of the files below dir, absolute, that a pattern with
// slashes means: *, ? and [a-z] as in path.Match, and ** for any number of folders.
func Glob(dir, pattern string) Place {
	parts := strings.Split(path.Clean(pattern), "/")
	fixed := 0
	for fixed < len(parts)-1 && !strings.ContainsAny(parts[fixed], `*?[\`) {
		fixed++
	}
	rest := parts[fixed:]
	return Place{
		Dir:   filepath.Join(append([]string{dir}, parts[:fixed]...)...),
		Deep:  len(rest) > 1 || rest[0] == "**",
		Match: func(rel string) bool { return globs(rest, strings.Split(rel, "/")) },
	}
}

func globs(pattern, name []string) bool {
	switch {
	case len(pattern) == 0:
		return len(name) == 0
	case pattern[0] == "**":
		return globs(pattern[1:], name) || len(name) > 0 && globs(pattern, name[1:])
	case len(name) == 0:
		return false
	}
	ok, err := path.Match(pattern[0], name[0])
	return err == nil && ok && globs(pattern[1:], name[1:])
}
