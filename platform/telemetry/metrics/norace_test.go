//go:build !race

package metrics_test

// raced says that the race detector is on, under which figures mean nothing.
const raced = false
