package stage_test

import (
	"testing"

	"github.com/musterdev/muster/data/datatest/sagatest/stage"
)

func TestFollows(t *testing.T) {
	a1, a2, b1, b2, c1 := stage.Try{Place: "a", Fence: 1}, stage.Try{Place: "a", Fence: 2}, stage.Try{Place: "b", Fence: 1}, stage.Try{Place: "b", Fence: 2}, stage.Try{Place: "c", Fence: 1}
	want := []string{"a", "b"}
	for i, tc := range []struct {
		tries  []stage.Try
		lapses int
		ok     bool
	}{
		{[]stage.Try{a1, b1}, 0, true},
		{[]stage.Try{a1, a2, b2}, 1, true},
		{[]stage.Try{a1, b1, b2}, 1, true},
		{nil, 9, false},
		{[]stage.Try{a1}, 9, false},
		{[]stage.Try{b1, a1}, 9, false},
		{[]stage.Try{a1, b1, c1}, 9, false},
		{[]stage.Try{a1, a2, b2}, 0, false}, // no lease can have ended
		{[]stage.Try{a1, a1, b1}, 9, false}, // twice by one holder
		{[]stage.Try{a2, a1, b1}, 9, false}, // by one that was taken over
		{[]stage.Try{a1, b1, a2}, 9, false}, // what was recorded is not done again
		{[]stage.Try{a1, a2, b1, b2}, 1, false},
	} {
		if stage.Follows(tc.tries, want, tc.lapses) != tc.ok {
			t.Errorf("%d: %v with %d", i, tc.tries, tc.lapses)
		}
	}
	if !stage.Follows([]stage.Try{a1, a2, b2}, []string{"a", "a", "b"}, 0) {
		t.Error("a crash that the test made")
	}
}
