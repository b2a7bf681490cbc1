package resilience

import (
	"fmt"
	"strconv"
	"strings"
)

// Share is a part of a whole, from 0 to 1. As text it is a percentage: "10%", "0.5 %".
// A bare number is refused, as 0.5 and 50 would both be likely to mean a half.
type Share float64

// String returns the percentage, such as "12.5%".
func (s Share) String() string {
	return strconv.FormatFloat(float64(s)*100, 'g', 6, 64) + "%"
}

// MarshalText writes the share as String does.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a percentage from 0 to 100.
func (s *Share) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	v, err := strconv.ParseFloat(strings.TrimRight(number, " "), 64)
	if !ok || err != nil || !(v >= 0 && v <= 100) { // NaN is neither
		return fmt.Errorf("a share is written as a percentage from 0%% to 100%%, such as 10%%; found %.40q", text)
	}
	*s = Share(v / 100)
	return nil
}
