//go:build !race

package simulation_test

import (
	"os"
	"strconv"
	"testing"
)

// Twenty thousand histories, or as many as HISTORIES says, from the seed 1.
func TestHistories(t *testing.T) {
	n := uint64(20_000)
	if given := os.Getenv("HISTORIES"); given != "" {
		var err error
		if n, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("HISTORIES: how many are to be played: %v", err)
		}
	}
	histories(t, 1, n)
}
