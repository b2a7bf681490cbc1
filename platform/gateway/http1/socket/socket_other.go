//go:build !unix

// Package socket has nothing to offer on this system: connections are read and written by
// package net.
package socket

import "errors"

// Direct says whether sockets can be used by their descriptors here.
const Direct = false

// Receive is not to be had here.
func Receive(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Send is not to be had here.
func Send(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Blocked reports nothing here.
func Blocked(error) bool { return false }
