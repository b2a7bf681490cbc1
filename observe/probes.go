package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"
)

// LeaseHeader on a probe's answer says that the instance holds its own lease in the
// registry; whoever probes it need not hold one for it.
const LeaseHeader = "Muster-Lease"

// Check tells whether something the service cannot work without is there; nil means
// it is. Each gets 2 s of its own and runs beside the others, and beside itself when two
// ask at once.
type Check func(ctx context.Context) error

// checkBound is the time a check gets.
const checkBound = 2 * time.Second

func (c Check) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, checkBound)
	defer cancel()
	defer func() { // it has its own goroutine, where net/http would not catch it
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c(ctx)
}

// Probes answers /livez, /readyz and /startupz. The zero value is alive, neither
// started nor ready. It is safe for concurrent use.
type Probes struct {
	mu       sync.RWMutex
	started  bool
	draining bool
	leased   bool
	checks   map[string]Check
}

// Add makes readiness depend on check.
func (p *Probes) Add(name string, check Check) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.checks == nil {
		p.checks = map[string]Check{}
	}
	p.checks[name] = check
}

// Started says that the service serves; Lease whether it holds its own lease.
func (p *Probes) Started(leased bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started, p.leased = true, leased
}

// Draining says that the service finishes what it has and wants no more.
func (p *Probes) Draining() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.draining = true
}

// Ready returns nil when the service may get requests, else what is missing by name.
func (p *Probes) Ready(ctx context.Context) map[string]string {
	p.mu.RLock()
	missing := map[string]string{}
	if !p.started {
		missing["startup"] = "still starting"
	}
	if p.draining {
		missing["drain"] = "shutting down"
	}
	checks := maps.Clone(p.checks)
	p.mu.RUnlock()
	var running sync.WaitGroup
	var mu sync.Mutex
	for name, check := range checks {
		running.Go(func() {
			if err := check.run(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				missing[name] = err.Error()
			}
		})
	}
	running.Wait()
	if len(missing) == 0 {
		return nil
	}
	return missing
}

// Handler answers the three probes and hands every other path to next.
func (p *Probes) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/livez":
			answer(w, nil)
		case "/startupz":
			p.mu.RLock()
			started := p.started
			p.mu.RUnlock()
			if started {
				answer(w, nil)
			} else {
				answer(w, map[string]string{"startup": "still starting"})
			}
		case "/readyz":
			p.mu.RLock()
			if p.leased {
				w.Header().Set(LeaseHeader, "held")
			}
			p.mu.RUnlock()
			answer(w, p.Ready(r.Context()))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func answer(w http.ResponseWriter, missing map[string]string) {
	status := http.StatusOK
	body := struct {
		OK      bool              `json:"ok"`
		Missing map[string]string `json:"missing,omitempty"`
	}{missing == nil, missing}
	if !body.OK {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	//nolint:errchkjson // texts and a bool can always be written; when the prober has gone, nobody is left to tell
	_ = json.NewEncoder(w).Encode(body)
}
