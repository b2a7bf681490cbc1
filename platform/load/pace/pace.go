// Package pace decides when the visitors of package load come, by a rate over time and by
// nothing else, and waits for such a time more exactly than the runtime's timers do.
package pace

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxRate is the highest rate of a plan, in arrivals a second.
const MaxRate = 100_000

// Rate is a number of arrivals a second.
type Rate float64

// UnmarshalText reads "50/s", "300/m" or "1200/h"; "50" is "50/s".
func (r *Rate) UnmarshalText(text []byte) error {
	number, unit, has := strings.Cut(string(text), "/")
	if !has {
		unit = "s"
	}
	per, ok := map[string]float64{"s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(n >= 0) || n/per > MaxRate {
		return fmt.Errorf("%.40q is not a rate: write \"50/s\", \"300/m\" or \"1200/h\", at most %d/s", text, MaxRate)
	}
	*r = Rate(n / per)
	return nil
}

// String returns the rate as arrivals a second: "50/s".
func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'g', 6, 64) + "/s" }

// Stage is a time of one rate, or of one that changes evenly.
type Stage struct {
	Rate Rate          `yaml:"rate"` // at its beginning
	To   *Rate         `yaml:"to"`   // at its end; nil means Rate
	For  time.Duration `yaml:"for"`
}

// End returns the rate at the stage's end.
func (s Stage) End() Rate {
	if s.To != nil {
		return *s.To
	}
	return s.Rate
}

// Kind says how visitors come within their rate.
type Kind string

// The kinds of arrivals.
const (
	Poisson  Kind = "poisson"  // independent of each other, as people are; the default
	Constant Kind = "constant" // evenly, one after the other
)

// UnmarshalText takes one of the kinds.
func (k *Kind) UnmarshalText(text []byte) error {
	switch kind := Kind(text); kind {
	case Poisson, Constant:
		*k = kind
		return nil
	}
	return fmt.Errorf("%.40q is no kind of arrivals: %s or %s", text, Poisson, Constant)
}

// Known returns the kind, [Poisson] for "", and whether it is one.
func (k Kind) Known() (Kind, bool) {
	k = cmp.Or(k, Poisson)
	return k, k == Poisson || k == Constant
}
