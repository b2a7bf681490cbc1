package control

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

const (
	lookEvery  = 500 * time.Millisecond
	maxChanges = 500
	// changeEvent is how a change is told from other log records.
	changeEvent = "muster.change"
	keptChanges = 24 * time.Hour
)

// changes notes what becomes different in the fleet: instances and versions. They are
// kept as log records, so that they outlive a restart and are found with the others.
type changes struct {
	catalog func() discovery.Catalog
	keep    func(context.Context, signal.Batch) error
	store   signal.Store // where those of before are
	log     *slog.Logger

	mu     sync.Mutex
	recent []query.Change // oldest first
}

// run looks until ctx ends.
func (c *changes) run(ctx context.Context) error {
	c.recall(ctx)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	before := c.catalog()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		now := c.catalog()
		if now.Index == before.Index && now.Epoch == before.Epoch {
			continue
		}
		c.note(ctx, differences(before, now, time.Now()))
		before = now
	}
}

// recall reads those of before a restart.
func (c *changes) recall(ctx context.Context) {
	var found []query.Change
	q := signal.LogQuery{Window: signal.Window{From: time.Now().Add(-keptChanges)}, Match: []signal.Match{{Key: "event.name", Value: changeEvent}}}
	for l, err := range c.store.Logs(ctx, q) {
		if err != nil {
			c.log.WarnContext(ctx, "the fleet's changes of before could not be read", "error", err)
			break
		}
		found = append(found, query.Change{Time: float64(l.Time) / 1e6, Service: l.Service, Kind: l.Attributes.Text("change.kind"), Detail: l.Body})
		if len(found) == maxChanges {
			break
		}
	}
	slices.SortStableFunc(found, func(a, b query.Change) int { return cmp.Compare(a.Time, b.Time) })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = append(found, c.recent...)
}

func (c *changes) note(ctx context.Context, list []query.Change) {
	if len(list) == 0 {
		return
	}
	c.mu.Lock()
	c.recent = append(c.recent, list...)
	c.recent = slices.Clone(c.recent[max(0, len(c.recent)-maxChanges):])
	c.mu.Unlock()
	var b signal.Batch
	for _, change := range list {
		b.Logs = append(b.Logs, signal.Log{
			Time: int64(change.Time * 1e6), Service: change.Service, Severity: signal.SeverityInfo, Body: change.Detail,
			Attributes: signal.Attributes{
				{Key: "event.name", Value: signal.StringValue(changeEvent)},
				{Key: "change.kind", Value: signal.StringValue(change.Kind)},
			},
		})
	}
	if err := c.keep(ctx, b); err != nil {
		c.log.WarnContext(ctx, "changes of the fleet are not kept", "error", err)
	}
}

// since returns the changes in a window, the oldest first.
func (c *changes) since(from time.Time) []query.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := []query.Change{}
	for _, change := range c.recent {
		if change.Time >= float64(from.UnixMilli()) {
			list = append(list, change)
		}
	}
	return list
}

// differences tells what a catalog has that the one before had not, and the other way
// round. Another epoch is another registry, which knows its instances again soon: what it
// lacks has not left.
func differences(before, now discovery.Catalog, at time.Time) []query.Change {
	var list []query.Change
	add := func(service, kind, detail string) {
		list = append(list, query.Change{Time: float64(at.UnixMicro()) / 1e3, Service: service, Kind: kind, Detail: detail})
	}
	same := before.Epoch == now.Epoch
	for service, has := range now.Services {
		had := before.Services[service]
		if was, is := versions(had), versions(has); len(had) > 0 && len(has) > 0 && !slices.Equal(was, is) {
			add(service, "version", "version "+strings.Join(was, ", ")+" became "+strings.Join(is, ", "))
		}
		for _, i := range has {
			if !contains(had, i.ID) && same {
				add(service, "joined", i.ID+" joined")
			}
		}
		for _, i := range had {
			if !contains(has, i.ID) && same {
				add(service, "left", i.ID+" left")
			}
		}
	}
	for service, had := range before.Services {
		if _, there := now.Services[service]; there || !same {
			continue
		}
		for _, i := range had {
			add(service, "left", i.ID+" left")
		}
	}
	slices.SortStableFunc(list, func(a, b query.Change) int { return cmp.Compare(a.Service, b.Service) })
	return list
}

func contains(list []discovery.Instance, id string) bool {
	return slices.ContainsFunc(list, func(i discovery.Instance) bool { return i.ID == id })
}

// versions returns the versions of instances, sorted, each once.
func versions(list []discovery.Instance) []string {
	all := []string{}
	for _, i := range list {
		all = append(all, cmp.Or(i.Version, "dev"))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
