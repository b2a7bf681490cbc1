package host

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Wrk is the report of wrk 4, run with --latency.
type Wrk struct {
	Requests, PerSecond float64
	Bad                 float64 // answers other than 2xx and 3xx, and socket errors
	P50, P99            time.Duration
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in`)
	wrkRate     = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkP50      = regexp.MustCompile(`50%\s+([\d.]+(?:us|ms|s|m))`)
	wrkP99      = regexp.MustCompile(`99%\s+([\d.]+(?:us|ms|s|m))`)
	wrkBad      = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkSocket   = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// ParseWrk reads what wrk printed.
func ParseWrk(out string) (Wrk, error) {
	var w Wrk
	first := func(re *regexp.Regexp) string {
		if m := re.FindStringSubmatch(out); m != nil {
			return m[1]
		}
		return ""
	}
	var errs [4]error
	w.Requests, errs[0] = strconv.ParseFloat(first(wrkRequests), 64)
	w.PerSecond, errs[1] = strconv.ParseFloat(first(wrkRate), 64)
	w.P50, errs[2] = time.ParseDuration(first(wrkP50))
	w.P99, errs[3] = time.ParseDuration(first(wrkP99))
	if err := errors.Join(errs[:]...); err != nil {
		return w, fmt.Errorf("the report of wrk was not understood: %w\n%s", err, out)
	}
	for _, m := range append([][]string{wrkBad.FindStringSubmatch(out)}, wrkSocket.FindStringSubmatch(out)) {
		for _, s := range m[min(1, len(m)):] {
			n, _ := strconv.ParseFloat(s, 64) // the pattern holds digits only
			w.Bad += n
		}
	}
	return w, nil
}
