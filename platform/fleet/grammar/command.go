package grammar

import (
	"slices"
	"strings"
)

// goValueFlags are the build flags whose value is a word of its own.
var goValueFlags = []string{
	"asmflags", "buildmode", "compiler", "covermode", "coverpkg", "gccgoflags", "gcflags", "installsuffix",
	"ldflags", "mod", "modfile", "overlay", "p", "pgo", "pkgdir", "tags", "toolexec",
}

// GoRun finds the build flags and the package in the words of a command
// `go run [flags] package [arguments]`. The package is empty when it is another
// command, or one that `go build` cannot take over: a package at a version,
// several files, -C or -exec, or a reference before the arguments.
func GoRun(words []string) (flags []string, pkg string) {
	if len(words) < 3 || words[0] != "go" || words[1] != "run" {
		return nil, ""
	}
	i := 2
	for ; i < len(words) && strings.HasPrefix(words[i], "-"); i++ {
		name := strings.TrimPrefix(strings.TrimPrefix(words[i], "-"), "-")
		name, _, joined := strings.Cut(name, "=")
		switch {
		case name == "C" || name == "exec" || name == "":
			return nil, ""
		case !joined && slices.Contains(goValueFlags, name):
			i++
		}
	}
	if i >= len(words) {
		return nil, ""
	}
	several := strings.HasSuffix(words[i], ".go") && i+1 < len(words) && strings.HasSuffix(words[i+1], ".go")
	if several || strings.Contains(words[i], "@") || strings.Contains(strings.Join(words[:i+1], ""), "$") {
		return nil, ""
	}
	return slices.Clone(words[2:i]), words[i]
}
