package webhook

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
)

// answer is what one attempt came to.
type answer struct {
	status int           // 0: there was none
	err    string        // why there was none, or nothing of use
	retry  time.Duration // what it asked for by Retry-After; 0: nothing
	body   string        // its beginning
	took   time.Duration
}

// verdict is what becomes of a delivery, and of its endpoint.
type verdict struct {
	state State
	after time.Duration // of one that waits: until the next attempt
	gone  bool          // the endpoint wants nothing any more
}

// judge decides on a delivery; attempts counts this one.
func judge(a answer, attempts int, retry bus.Backoff) verdict {
	switch {
	case a.status/100 == 2:
		return verdict{state: Delivered}
	case a.status == http.StatusGone:
		return verdict{state: Dead, gone: true}
	case attempts >= retry.Attempts:
		return verdict{state: Dead}
	}
	return verdict{state: Waiting, after: max(retry.After(attempts), a.retry)}
}

// health is what is known of an endpoint after a failure.
type health struct {
	failures int           // in a row, this one included
	failing  time.Duration // since the first of them
}

const (
	leastFailures = 10 // in a row, before an endpoint is disabled
	patience      = 3  // failures in a row, before the endpoint as a whole is left alone
)

// rest says how long an endpoint that fails is left alone, and why it is disabled, ""
// for not at all.
func rest(a answer, h health, disableAfter time.Duration) (alone time.Duration, disabled string) {
	switch {
	case a.status == http.StatusGone:
		return 0, "it answered 410 Gone"
	case h.failures >= leastFailures && h.failing >= disableAfter:
		return 0, fmt.Sprintf("it has failed for %s, %d times in a row", h.failing.Round(time.Second), h.failures)
	case h.failures < patience:
		return a.retry, ""
	}
	pause := bus.Backoff{First: time.Second, Most: 5 * time.Minute}
	return max(a.retry, pause.After(h.failures-patience+1)), ""
}

// retryAfter reads the header (RFC 9110, section 10.2.3) of an answer that may have it; what
// is longer than most is most, so that nobody is silenced for ever.
func retryAfter(status int, h http.Header, now time.Time, most time.Duration) time.Duration {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return 0
	}
	text := strings.TrimSpace(h.Get("Retry-After"))
	var d time.Duration
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), most)
}
