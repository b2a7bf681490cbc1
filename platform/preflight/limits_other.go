//go:build !unix

package preflight

// openFiles has nothing to check: the system has no such limit.
func openFiles() Finding { return ok("open files", "no limit on this system") }
