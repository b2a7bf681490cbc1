package policy

import (
	"strconv"
	"strings"
	"time"
)

// Silent returns why a key must not be given a value, "" when it may: a zero that would
// count as the default, and so not do what it says. The key is written as in muster.yaml
// below "calls" or one of its routes, such as "retry.attempts", the value as in the file.
func Silent(key, value string) (reason string) {
	if !zero(value) {
		return ""
	}
	instead := map[string]string{
		"timeout":            "the default, 10s; leave it out for that, or write a time such as 2s",
		"retry.attempts":     "the default, 3; write 1 for calls that are not repeated",
		"retry.backoff":      "the default, 20ms; write 1ms for hardly any pause",
		"budget.share":       "the default, 10%; for calls that are not repeated write retry: {attempts: 1}",
		"budget.floor":       "the default, 10; write -1 for none",
		"breaker.window":     "the default, 10s; write a time such as 5s",
		"breaker.min_calls":  "the default, 20; write 1 at least",
		"breaker.failures":   "the default, 50%; write 1% to open at the first few failures, or leave the breaker out",
		"breaker.slow_after": "the default, 1s; write a time such as 300ms",
		"breaker.open":       "the default, 5s; write a time such as 1s",
		"breaker.probes":     "the default, 3; write 1 at least",
		"bulkhead.max":       "the default, 100; write 1 at least, or scale the service to 0 for none",
		"bulkhead.wait":      "as long as the call may take; leave queue out for calls that do not wait",
		"hedge.after":        "that it goes by quantile; write a time such as 20ms",
		"hedge.least":        "the default, 1ms; write a shorter time such as 1us",
		"fallback.entries":   "the default, 1000; write 1 at least",
		"fallback.megabytes": "the default, 16; write 1 at least",
		"fallback.last_good": "that no answer is kept; leave it out for that, or write a time such as 5m",
	}[key]
	if instead == "" {
		return ""
	}
	return "is " + value + ", which would mean " + instead
}

// zero reports whether a value is a number, a share or a time that is zero.
func zero(value string) bool {
	if n, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64); err == nil {
		return n == 0
	}
	d, err := time.ParseDuration(value)
	return err == nil && d == 0
}

// Off reports whether a value switches a policy off: a route may be without one that its
// service has. The key is "breaker", "bulkhead", "hedge" or "fallback".
func Off(key, value string) bool {
	switch key {
	case "breaker", "bulkhead", "hedge", "fallback":
		return value == "off" || value == "null" || value == "~"
	}
	return false
}
