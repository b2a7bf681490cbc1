//go:build !linux

package http1

// watched is nothing here: that a client has gone is seen when it is written to.
type watched []struct{}

func (w watched) add(int) watched { return append(w, struct{}{}) }

func (watched) gone() []int { return nil }

func takes(int) bool { return false }

func full(int) bool { return false }
