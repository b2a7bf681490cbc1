package main

import (
	"runtime"
	"runtime/debug"
)

// version is the module's version and the toolchain's, as the build recorded them.
func version() string {
	v := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		v = info.Main.Version
	}
	return "muster " + v + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
