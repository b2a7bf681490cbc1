package load

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/load/latency"
	"github.com/musterdev/muster/platform/load/pace"
	"github.com/musterdev/muster/platform/load/value"
)

// Rate is a number of arrivals a second, read from "50/s", "300/m" or "1200/h"; "50" is
// "50/s".
type Rate = pace.Rate

// Stage is a time of one rate, or of one that changes evenly.
type Stage = pace.Stage

// Kind says how visitors come within their rate: [Poisson] or [Constant].
type Kind = pace.Kind

// Capture says where in an answer a value stands.
type Capture = value.Capture

// Times are the quantiles of a duration.
type Times = latency.Times

// The kinds of arrivals.
const (
	Poisson  = pace.Poisson  // independent of each other, as people are; the default
	Constant = pace.Constant // evenly, one after the other
)

// MaxFor is how long a plan may last in all.
const MaxFor = 24 * time.Hour

// Share is a part of a whole, 0 to 1.
type Share float64

// UnmarshalText reads "0.1%", or a number from 0 to 1.
func (s *Share) UnmarshalText(text []byte) error {
	number, percent := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		n /= 100
	}
	if err != nil || !(n >= 0 && n <= 1) {
		return fmt.Errorf("%.40q is not a share: write \"0.1%%\", from 0%% to 100%%", text)
	}
	*s = Share(n)
	return nil
}

// String returns the share in per cent: "0.1 %".
func (s Share) String() string {
	return strconv.FormatFloat(math.Round(float64(s)*1e6)/1e4, 'f', -1, 64) + " %"
}
