package archtest

import (
	"strings"
	"testing"
)

func TestDrawPutsImportersAboveTheImported(t *testing.T) {
	tree := small(t, `
-- muster.go --
package muster

import _ "MUSTER/call"
-- call/call.go --
package call

import _ "MUSTER/problem"
-- problem/problem.go --
package problem
-- problem/problem_test.go --
package problem

import _ "MUSTER/call"
-- internal/archtest/x.go --
package archtest
-- drivers/sqlite/driver.go --
package sqlite

import _ "MUSTER/problem"
`, "drivers/sqlite")
	want := `
┌─ drivers: a module each, handed to Main by value ────────────────────────────┐
│   sqlite                                                                     │
└─ imports library ────────────────────────────────────────────────────────────┘
┌─ the library: what a service imports ────────────────────────────────────────┐
│   package muster                                                             │
│   call                                                                       │
│   problem                                                                    │
└─ imports nothing of Muster ──────────────────────────────────────────────────┘
`
	if got := Draw(tree, Boxes()); got != want[1:] {
		t.Errorf("drawn:\n%s\nwant:%s", got, want)
	}
}

func TestSpliceReplacesOnlyBetweenTheMarkers(t *testing.T) {
	text := "before\n" + PictureBegin + "\nold\n" + PictureEnd + "\nafter\n"
	got, err := Splice(text, "new\n")
	if err != nil || strings.Contains(got, "old") || !strings.HasPrefix(got, "before\n") || !strings.HasSuffix(got, "\nafter\n") {
		t.Errorf("spliced: %v\n%s", err, got)
	}
	if again, err := Splice(got, "new\n"); err != nil || again != got {
		t.Errorf("splicing twice changes the text: %v\n%s", err, again)
	}
	if _, err := Splice("no markers", ""); err == nil {
		t.Error("a text without markers is accepted")
	}
}

func TestWrapKeepsWithinTheWidth(t *testing.T) {
	got := wrap([]string{"call (balance discovery)", "page", "supervise (build control event group)"}, 32)
	want := `   call (balance discovery)
   page
   supervise (build control
      event group)`
	if got != want {
		t.Errorf("wrapped:\n%s\nwant:\n%s", got, want)
	}
}
