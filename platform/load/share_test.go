package load

import (
	"math"
	"testing"
)

func TestShares(t *testing.T) {
	for text, want := range map[string]Share{"0.1%": 0.001, "100%": 1, "0.25": 0.25, "0 %": 0} {
		var s Share
		if err := s.UnmarshalText([]byte(text)); err != nil || math.Abs(float64(s-want)) > 1e-12 {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "x", "101%", "-1%", "NaN", "2"} {
		if err := new(Share).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is a share", text)
		}
	}
	if s := Share(0.001).String() + ", " + Share(1).String(); s != "0.1 %, 100 %" {
		t.Error(s)
	}
}
