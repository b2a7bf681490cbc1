package storm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
)

// seen is what a drill saw. note may be called concurrently with itself only.
type seen struct {
	began   time.Time // of the load, within the time that a request takes
	result  load.Result
	retries edge

	// What each service had done before the trouble, at its end, and at the end of all.
	before, trigger, end [hops]stage.Counts

	mu      sync.Mutex
	seconds []second // by intended arrival
}

// second counts the visitors of one second by their priority.
type second struct{ asked, ok [resilience.Priorities]int }

// edge is what the edge did for the requests of some time.
type edge struct{ calls, attempts int64 }

func (s *seen) note(one load.Sample) {
	if one.Cut {
		return
	}
	p, err := resilience.ParsePriority(one.Flow)
	if err != nil {
		return
	}
	i := min(int(one.Intended.Sub(s.began)/time.Second), len(s.seconds)-1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seconds[i].asked[p]++
	if one.Err == nil {
		s.seconds[i].ok[p]++
	}
}

// sum adds up the seconds from one time after the beginning to another.
func (s *seen) sum(from, to time.Duration) (sum second) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.seconds[from/time.Second : to/time.Second] {
		for p := range one.asked {
			sum.asked[p] += one.asked[p]
			sum.ok[p] += one.ok[p]
		}
	}
	return sum
}

func (s second) all() (asked, ok int) {
	for p := range s.asked {
		asked += s.asked[p]
		ok += s.ok[p]
	}
	return asked, ok
}

// share returns which part was answered, of those of some priorities; 0 of nobody.
func (s second) share(of ...resilience.Priority) float64 {
	asked, ok := s.all()
	if len(of) > 0 {
		asked, ok = 0, 0
	}
	for _, p := range of {
		asked, ok = asked+s.asked[p], ok+s.ok[p]
	}
	return float64(ok) / float64(max(1, asked))
}

// snapshot asks each service what it did.
func (*seen) snapshot(ctx context.Context, f *stage.Fleet, to *[hops]stage.Counts) error {
	for n := range hops {
		c, err := f.Counts(ctx, hop(n+1))
		if err != nil {
			return err
		}
		to[n] = c
	}
	return nil
}

// retries reads in the edge's log how many attempts it made for the requests that began
// in some time.
func retries(file string, from, to time.Time) (e edge, err error) {
	f, err := os.Open(file)
	if err != nil {
		return e, fmt.Errorf("read what the edge did: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var one struct {
			Time     time.Time `json:"time"`
			Instance string    `json:"instance"`
			Retries  int64     `json:"retries"`
		}
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return e, fmt.Errorf("read what the edge did: %s: %w", file, err)
		}
		if !one.Time.Before(from) && one.Time.Before(to) && one.Instance != "" {
			e.calls++
			e.attempts += 1 + one.Retries
		}
	}
	return e, lines.Err()
}

// textbook is a visitor who asks again.
func textbook(target string) func(context.Context, *load.Visitor) (string, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000, IdleConnTimeout: time.Minute}}
	return func(ctx context.Context, _ *load.Visitor) (string, error) {
		err := stage.Repeat(ctx, patience, func(ctx context.Context) error { return stage.Get(ctx, client, target) })
		if errors.Is(err, context.DeadlineExceeded) {
			return "timeout", err
		}
		if err != nil {
			return "failed", err
		}
		return "200", nil
	}
}
