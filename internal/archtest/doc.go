// Package archtest keeps the architecture true. It reads the real import graph of
// every module in go.work and compares it with the table in floors.go: any arrow
// the table does not allow is a finding, and so are the habits that make arrows
// invisible (init functions, package state, drawers named util). From the same
// graph it draws the picture in the README, so the picture cannot drift either.
//
// The checks are ordinary functions over a [Tree], so that their own tests can
// hand them small trees which break each rule.
package archtest

import "fmt"

// Finding is one place where the tree breaks a rule.
type Finding struct {
	Where string // path:line, path or folder, relative to the repository
	What  string // what is wrong, and what to do about it
}

// String returns the finding on one line.
func (f Finding) String() string { return fmt.Sprintf("%s: %s", f.Where, f.What) }
