// Package group signals whole process groups: a child and everything it
// started. On Unix a group is named by the process id of its first member; on
// Windows, which has no such groups, by the process id of the parent of a tree.
//
// All functions are safe for concurrent use. A caller must know that the group
// is still its own: numbers of dead processes are given out again.
package group

import "errors"

// ErrGone says that no process of the group is left.
var ErrGone = errors.New("process group is gone")

// errNotOurs refuses numbers that would reach more than one child's group: 0 is
// the caller's own group, 1 everything the user may signal.
var errNotOurs = errors.New("not the number of a child's process group")

func check(id int) error {
	if id <= 1 {
		return errNotOurs
	}
	return nil
}
