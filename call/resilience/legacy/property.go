package legacy

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 1 << 20

// property is one value of a file, however it was written.
type property struct {
	path  []string // its key, split; brackets keep dots together
	text  string   // its key as one text
	value string
	line  int
	list  bool // one of a list, or a list
}

var errPlaceholder = errors.New("the value is a placeholder; write what it stands for")

func (p property) number() (int, error) {
	if strings.Contains(p.value, "${") {
		return 0, errPlaceholder
	}
	n, err := strconv.Atoi(p.value)
	if err != nil {
		return 0, fmt.Errorf("%.40q is not a whole number", p.value)
	}
	return n, nil
}

func (p property) percent() (resilience.Share, error) {
	if strings.Contains(p.value, "${") {
		return 0, errPlaceholder
	}
	v, err := strconv.ParseFloat(p.value, 64)
	if err != nil || !(v > 0 && v <= 100) { // NaN is neither
		return 0, fmt.Errorf("%.40q is not a percentage above 0 and up to 100", p.value)
	}
	return resilience.Share(v / 100), nil
}

func (p property) flag() (bool, error) {
	switch strings.ToLower(p.value) {
	case "true", "yes", "on":
		return true, nil
	case "false", "no", "off":
		return false, nil
	}
	if strings.Contains(p.value, "${") {
		return false, errPlaceholder
	}
	return false, fmt.Errorf("%.40q is neither true nor false", p.value)
}

// The two ways to write a duration: "500", "500ms", "10 s" and "PT1M30.5S".
var (
	simpleDuration = regexp.MustCompile(`^([0-9]{1,15}) ?([a-z]{0,2})$`)
	isoDuration    = regexp.MustCompile(`^p(?:([0-9]{1,6})d)?(?:t(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9}(?:\.[0-9]{1,9})?)s)?)?$`)
)

// duration reads what Spring reads: a number and its unit, of milliseconds where there
// is none, or ISO 8601.
func (p property) duration() (time.Duration, error) {
	if strings.Contains(p.value, "${") {
		return 0, errPlaceholder
	}
	bad := fmt.Errorf("%.40q is not a duration", p.value)
	text := strings.ToLower(strings.TrimSpace(p.value))
	if m := simpleDuration.FindStringSubmatch(text); m != nil {
		unit, known := map[string]float64{
			"": 1e6, "ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9, "d": 86400e9,
		}[m[2]]
		return scaled(unit, m[1], known, bad)
	}
	m := isoDuration.FindStringSubmatch(text)
	if m == nil || strings.Join(m[1:], "") == "" {
		return 0, bad
	}
	var sum time.Duration
	for i, unit := range []float64{86400e9, 3600e9, 60e9, 1e9} {
		if m[i+1] == "" {
			continue
		}
		d, err := scaled(unit, m[i+1], true, bad)
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// scaled multiplies, within what a duration holds with room to add a few.
func scaled(unit float64, number string, known bool, bad error) (time.Duration, error) {
	n, err := strconv.ParseFloat(number, 64)
	if !known || err != nil || n*unit > 1e18 {
		return 0, bad
	}
	return time.Duration(n * unit), nil
}

// relaxed makes the ways to write a word alike: failureRateThreshold and
// failure-rate-threshold.
func relaxed(word string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(word))
}

// split cuts a key at its dots; what stands in brackets is one part, and an index of a
// list is left out.
func split(key string) (path []string, list bool) {
	part := ""
	end := func() {
		if part != "" {
			path, part = append(path, part), ""
		}
	}
	for i := 0; i < len(key); i++ {
		switch key[i] {
		case '.':
			end()
		case '[':
			end()
			inside, rest, closed := strings.Cut(key[i+1:], "]")
			if !closed {
				return append(path, key[i:]), list
			}
			if _, err := strconv.Atoi(inside); err == nil {
				list = true
			} else if inside != "" {
				path = append(path, inside)
			}
			i = len(key) - len(rest) - 1
		default:
			part += key[i : i+1]
		}
	}
	end()
	return path, list
}
