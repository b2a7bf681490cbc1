// Package away has what drivers of brokers do alike while the broker is away: how long they
// wait between tries, what they say to whoever gives up, and what they log. It is for
// drivers; a service has no use for it.
package away

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
)

// The time between tries: the first, doubled up to the longest.
const (
	FirstPause = 100 * time.Millisecond
	LongPause  = 500 * time.Millisecond
)

// How long a broker is away until it is said in the log, and how often it is said again.
const (
	Soon  = 3 * time.Second
	Again = 30 * time.Second
)

// What the log says.
const (
	Connected = "connected to the broker"
	Lost      = "the connection to the broker was lost; trying again"
	Said      = "the broker is away: events wait here until it answers; is its URL right, and does it run?"
)

// Pause is how long to wait after so many failures in a row, counted from 0. Up to a
// quarter is taken off by chance, so that not all come at once.
func Pause(failures int) time.Duration {
	d := min(LongPause, FirstPause<<min(max(failures, 0), 8))
	return d - rand.N(d/4)
}

// Rest waits for d, or returns ctx's error when it ends before.
func Rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// GaveUpError is the end of a caller's context, and what it was waiting for. It is both
// errors for errors.Is.
type GaveUpError struct {
	Driver string // such as nats
	Broker string // its address, without a password
	Ended  error  // of the caller's context
	Last   error  // of the last try; nil: there was no connection
}

func (e *GaveUpError) Error() string {
	if e.Last == nil {
		return fmt.Sprintf("%s: the broker at %s is away: %v", e.Driver, e.Broker, e.Ended)
	}
	return fmt.Sprintf("%s: the broker at %s did not do it in time: %v: %v", e.Driver, e.Broker, e.Last, e.Ended)
}

// Unwrap returns Ended and Last.
func (e *GaveUpError) Unwrap() []error { return []error{e.Ended, e.Last} }

// Watch is for a client that does not tell when its connection is lost.
type Watch struct {
	Ping  func(ctx context.Context) error
	Every time.Duration // how often it is asked
	// Seen is told of each answer; again is true for the first good one after bad ones, or at all.
	Seen func(ctx context.Context, err error, again bool)
	Log  *slog.Logger
}

// Run pings the broker until ctx ends, and logs when it is there, lost, and away. One
// that was never there is away too.
func (w Watch) Run(ctx context.Context) {
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	said, up := time.Now().Add(Soon-Again), false
	for {
		err := w.Ping(ctx)
		if ctx.Err() != nil {
			return
		}
		w.Seen(ctx, err, err == nil && !up)
		switch {
		case err == nil && !up:
			w.Log.Info(Connected)
			up = true
		case err != nil && up:
			w.Log.Warn(Lost, "error", err)
			said, up = time.Now().Add(Soon-Again), false
		case err != nil && time.Since(said) >= Again:
			w.Log.Warn(Said, "error", err)
			said = time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
