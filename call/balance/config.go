package balance

import (
	"errors"
	"fmt"
	"time"
)

// Config says how a Set picks. The zero value is the safe default.
type Config struct {
	Policy Policy `json:"policy,omitempty"`
	// Caller tells callers of one set apart; it decides which endpoints are this one's
	// when there are more than Subset. "" keeps all.
	Caller string `json:"caller,omitempty"`
	// Subset is how many endpoints one caller keeps in use, from 1. 0 means 64, negative
	// all. Hash and Maglev always use all, as callers must agree.
	Subset int `json:"subset,omitempty"`
	// Zone is where the caller is: endpoints there are preferred. "" prefers none.
	Zone string `json:"zone,omitempty"`
	// Spill is the utilisation of the caller's own zone, over 0 and below 1, from which
	// on calls go to other zones too, as far as latency shows it. 0 means 0.8; negative
	// or 1 never while an endpoint is well at home.
	Spill float64 `json:"spill,omitempty"`
	// SlowStart is the time over which an endpoint that joins others grows to its full
	// weight. 0 means 30 s, negative at once.
	SlowStart time.Duration `json:"slow_start,omitempty"`
	Eject     Ejection      `json:"eject,omitzero"`
}

// Ejection says when an endpoint that answers badly is left out for a while (outlier
// detection). The zero value is the safe default.
type Ejection struct {
	Off bool `json:"off,omitempty"`
	// Consecutive failures eject, from 1. 0 means 5.
	Consecutive int `json:"consecutive,omitempty"`
	// Share is the largest part of a set that may be ejected, over 0 up to 1. 0 means
	// 0.3. One endpoint of two or three may always be.
	Share float64 `json:"share,omitempty"`
	// First is how long the first ejection lasts; the n-th in a row lasts n times as
	// long. 0 means 10 s.
	First time.Duration `json:"first,omitempty"`
	// Longest bounds an ejection. 0 means 5 min.
	Longest time.Duration `json:"longest,omitempty"`
}

// Check returns an error for each value that is out of range.
func (c Config) Check() error {
	var errs []error
	if _, err := c.Policy.MarshalText(); err != nil {
		errs = append(errs, err)
	}
	if c.Spill > 1 {
		errs = append(errs, fmt.Errorf("balance spill is %g: it must be over 0 and at most 1, 0.8 is usual", c.Spill))
	}
	e := c.Eject
	if e.Consecutive < 0 {
		errs = append(errs, fmt.Errorf("balance eject.consecutive is %d: it must be at least 1, 5 is usual", e.Consecutive))
	}
	if e.Share < 0 || e.Share > 1 {
		errs = append(errs, fmt.Errorf("balance eject.share is %g: it must be over 0 and at most 1, 0.3 is usual", e.Share))
	}
	if e.First < 0 || e.Longest < 0 {
		errs = append(errs, fmt.Errorf("balance eject.first is %s and eject.longest %s: neither may be negative", e.First, e.Longest))
	}
	return errors.Join(errs...)
}

// defaults returns c with the meaning of its zeros spelled out.
func (c Config) defaults() Config {
	or(&c.Subset, 64)
	or(&c.Spill, 0.8)
	or(&c.SlowStart, 30*time.Second)
	or(&c.Eject.Consecutive, 5)
	or(&c.Eject.Share, 0.3)
	or(&c.Eject.First, 10*time.Second)
	or(&c.Eject.Longest, 5*time.Minute)
	return c
}

func or[T comparable](v *T, otherwise T) {
	var zero T
	if *v == zero {
		*v = otherwise
	}
}
