package query

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// What getServices looks at: the newest spans of each service.
const (
	namesBefore    = 24 * time.Hour
	namesSpans     = 20_000
	mostOperations = 200
	namesFresh     = 3 * time.Second // while the last answer holds
)

// names keeps the last answer of getServices, which filters ask for often.
type names struct {
	mu    sync.Mutex
	last  Services
	until time.Time
}

func (a *API) getServices(w http.ResponseWriter, r *http.Request, _ *params) error {
	ctx, cancel := context.WithTimeout(r.Context(), a.cfg.Deadline)
	defer cancel()
	a.names.mu.Lock()
	defer a.names.mu.Unlock()
	if now := a.cfg.Now(); !now.Before(a.names.until) || now.Before(a.names.until.Add(-namesFresh)) {
		list, err := a.services(ctx)
		if err != nil {
			return err
		}
		a.names.last, a.names.until = list, a.cfg.Now().Add(namesFresh)
	}
	return reply(w, a.names.last)
}

func (a *API) services(ctx context.Context) (Services, error) {
	out := Services{Services: []ServiceNames{}}
	now := a.cfg.Now()
	usage := a.cfg.Store.Usage()
	slices.SortFunc(usage, func(a, b signal.Usage) int { return cmp.Compare(a.Service, b.Service) })
	for _, u := range usage {
		counts := map[string]int{}
		looked := 0
		q := signal.SpanQuery{Window: signal.Window{From: now.Add(-namesBefore)}, Service: u.Service, Bare: true}
		for s, err := range a.cfg.Store.Spans(ctx, q) {
			if late(ctx, err) {
				break // the names that there are by now
			} else if err != nil {
				return out, err
			}
			counts[s.Name]++
			if looked++; looked == namesSpans {
				break
			}
		}
		list := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
			return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
		})
		list = list[:min(len(list), mostOperations)]
		out.Services = append(out.Services, ServiceNames{Name: u.Service, Operations: append([]string{}, list...)})
	}
	return out, nil
}
