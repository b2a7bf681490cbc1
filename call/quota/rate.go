package quota

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxCount is the largest number of calls that a Rate may have, in its time or at once.
const MaxCount = 1_000_000

// longest is the longest time of a Rate, and in which as many as come at once come again.
const longest = 365 * 24 * time.Hour

// Rate is how much may be asked: Count calls in each time Per, spread evenly, and Burst of
// them at once after a while without any. The zero value is no limit. As text it is
// "500/s", "30/m burst 5", "100/10s" or "none"; a second, minute or hour is written s, m
// or h, any other time as Go writes it.
type Rate struct {
	Count int           `json:"-"` // 1 to [MaxCount]; 0: no limit
	Per   time.Duration `json:"-"` // more than 0, a year at most
	Burst int           `json:"-"` // to [MaxCount]; 0: as many as come in a second, at least one
}

// Limited reports whether there is a limit.
func (r Rate) Limited() bool { return r.Count > 0 && r.Per > 0 }

// interval is the time that one call takes off. It is rounded up: never more than the rate.
func (r Rate) interval() time.Duration {
	return max(1, (r.Per+time.Duration(r.Count)-1)/time.Duration(r.Count))
}

// AtOnce returns how many calls may come at once: Burst, or its default; 0 without a limit.
func (r Rate) AtOnce() int {
	if r.Burst > 0 || !r.Limited() {
		return r.Burst
	}
	return max(1, int(time.Duration(r.Count)*time.Second/r.Per))
}

// Share returns the part of r that one of so many equal servers keeps to, so that all
// of them together let through what r says. A server lets one call through at least
// after a quiet time.
func (r Rate) Share(servers int) Rate {
	if !r.Limited() || servers <= 1 {
		return r
	}
	per := longest
	if r.Per < longest/time.Duration(servers) {
		per = r.Per * time.Duration(servers)
	}
	return Rate{Count: r.Count, Per: per, Burst: (r.AtOnce() + servers - 1) / servers}
}

// Part names what [Rate.Share] returns, for people: "1/2 of 20/s"; "20/s" for one server.
func (r Rate) Part(servers int) string {
	if !r.Limited() || servers <= 1 {
		return r.String()
	}
	return fmt.Sprintf("1/%d of %s", servers, r)
}

// units are the times that a Rate is written by.
func units() [3]struct {
	name string
	per  time.Duration
} {
	return [...]struct {
		name string
		per  time.Duration
	}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}}
}

// possible reports whether r can be kept to.
func (r Rate) possible() bool {
	return r == Rate{} || r.Count > 0 && r.Count <= MaxCount && r.Per > 0 && r.Per <= longest &&
		r.Burst >= 0 && r.Burst <= MaxCount && time.Duration(r.AtOnce()) <= longest/r.interval()
}

// String returns the text form.
func (r Rate) String() string {
	if !r.Limited() {
		return "none"
	}
	per := r.Per.String()
	for _, none := range []string{"m0s", "h0m"} { // of 2m0s and 1h0m0s
		if strings.HasSuffix(per, none) {
			per = per[:len(per)-2]
		}
	}
	text := fmt.Sprintf("%d/%s", r.Count, per)
	for _, u := range units() {
		if r.Per == u.per {
			text = fmt.Sprintf("%d/%s", r.Count, u.name)
		}
	}
	if r.Burst > 0 {
		text += fmt.Sprintf(" burst %d", r.Burst)
	}
	return text
}

// MarshalText returns the text form.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the text form.
func (r *Rate) UnmarshalText(text []byte) error {
	read, ok := parse(string(text))
	if !ok {
		return fmt.Errorf("%.40q is not a rate: write how many of 1 to %d a second, minute or hour, such as \"200/s\", \"30/m\" or \"50/s burst 100\", or \"none\"", text, MaxCount)
	}
	*r = read
	return nil
}

func parse(text string) (Rate, bool) {
	fields := strings.Fields(text)
	switch {
	case len(fields) == 1 && fields[0] == "none":
		return Rate{}, true
	case len(fields) != 1 && (len(fields) != 3 || fields[1] != "burst"):
		return Rate{}, false
	}
	number, unit, ok := strings.Cut(fields[0], "/")
	r := Rate{}
	if r.Count, ok = count(number, ok); len(fields) == 3 {
		r.Burst, ok = count(fields[2], ok)
	}
	per, err := time.ParseDuration(unit)
	for _, u := range units() {
		if unit == u.name {
			per, err = u.per, nil
		}
	}
	r.Per = per
	return r, ok && err == nil && r.Per > 0 && r.possible()
}

// count reads a number of calls; ok is whether the text was right so far.
func count(text string, ok bool) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	if !ok || err != nil || n < 1 || n > MaxCount {
		return 0, false
	}
	return int(n), true
}
