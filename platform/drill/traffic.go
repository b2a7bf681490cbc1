package drill

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Flow is traffic of one kind: what one of its users does over and over.
type Flow struct {
	Name    string
	Users   int           // concurrent; at least 1
	Think   time.Duration // pause between two requests of one user
	Request func(ctx context.Context, user int) error
}

// maxNotes bounds how many failures a tally describes.
const maxNotes = 5

// Tally counts what users of one flow saw. It is safe for concurrent use.
type Tally struct {
	Name string

	mu       sync.Mutex
	requests int
	failed   int
	notes    []string
}

func (t *Tally) count(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if err == nil {
		return
	}
	t.failed++
	if len(t.notes) < maxNotes {
		t.notes = append(t.notes, fmt.Sprintf("%s: %v", t.Name, err))
	}
}

// Counts returns how many requests were made and how many of them failed.
func (t *Tally) Counts() (requests, failed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.requests, t.failed
}

// Report adds the flow's row: no request failed, and there was traffic at all.
func (t *Tally) Report(r *Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Add(t.Name+": failed requests", "0", fmt.Sprintf("%d of %d", t.failed, t.requests), t.failed == 0 && t.requests > 0)
	r.Notes = append(r.Notes, t.notes...)
}

// Traffic is flows that run.
type Traffic struct {
	Tallies []*Tally
	users   sync.WaitGroup
	stop    context.CancelFunc
}

// Start lets the flows' users begin; they go on until Stop.
func Start(ctx context.Context, flows ...Flow) *Traffic {
	ctx, stop := context.WithCancel(ctx)
	t := &Traffic{stop: stop}
	for _, f := range flows {
		tally := &Tally{Name: f.Name}
		t.Tallies = append(t.Tallies, tally)
		for user := range max(1, f.Users) {
			t.users.Go(func() { f.run(ctx, user, tally) })
		}
	}
	return t
}

// run makes requests until ctx ends. A request that has begun is finished, so that
// the end of the drill is not counted as a failure.
func (f Flow) run(ctx context.Context, user int, tally *Tally) {
	whole := context.WithoutCancel(ctx)
	for ctx.Err() == nil {
		tally.count(f.Request(whole, user))
		pause(ctx, f.Think)
	}
}

// Stop ends the traffic and waits for its last requests.
func (t *Traffic) Stop() {
	t.stop()
	t.users.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
