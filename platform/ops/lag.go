package ops

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/problem"
)

const countsPath = "/.muster/bus/counts"

// Count is how many messages of a group are parked, and where.
type Count struct {
	Service string `json:"service"`
	parking.Count
}

// Lag is what is still to be handled, or to be published.
type Lag struct {
	Groups   []bus.GroupInfo `json:"groups"` // at the broker; nil when it does not answer
	Parked   []Count         `json:"parked"` // of each group at who keeps them; a group of which nobody told has none
	Outboxes []Outbox        `json:"outboxes"`
}

// Lag asks the broker how far behind each group is, and all services what is parked
// and what waits in their outboxes. Who does not answer, the broker too, is in the
// error.
func (f *Fleet) Lag(ctx context.Context) (l Lag, err error) {
	var away, unasked, uncounted error
	var counts map[string][]parking.Count
	var all sync.WaitGroup
	all.Go(func() { l.Outboxes, unasked = f.Outboxes(ctx) })
	all.Go(func() { counts, uncounted = f.counts(ctx) })
	l.Groups, away = f.Groups(ctx)
	all.Wait()
	if away == nil {
		l.Groups = append([]bus.GroupInfo{}, l.Groups...)
	} else if failed, ok := errors.AsType[Failures](uncounted); ok { // the broker is named already
		failed = slices.DeleteFunc(failed, func(err error) bool { _, broker := errors.AsType[brokerSaid](err); return broker })
		if uncounted = failed; len(failed) == 0 {
			uncounted = nil
		}
	}
	l.Parked = []Count{}
	for service, list := range counts {
		for _, c := range list {
			l.Parked = append(l.Parked, Count{service, c})
		}
	}
	for _, g := range l.Groups { // who told of no message has none
		if slices.ContainsFunc(l.Parked, func(c Count) bool { return c.Group == g.Name }) {
			continue
		}
		if keeper := f.keeper(g.Name, counts); keeper != "" {
			l.Parked = append(l.Parked, Count{keeper, parking.Count{Group: g.Name}})
		}
	}
	slices.SortFunc(l.Parked, func(a, b Count) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Service, b.Service)) })
	return l, errors.Join(away, together(unasked, uncounted))
}

// counts returns what is parked, by who keeps it.
func (f *Fleet) counts(ctx context.Context) (map[string][]parking.Count, error) {
	return each(ctx, f.where(), func(ctx context.Context, s Service) ([]parking.Count, error) {
		var a struct {
			Groups *[]parking.Count `json:"groups"` // nil: something else answers there
		}
		err := none(s.ask(ctx, http.MethodGet, countsPath, nil, &a))
		if err == nil && a.Groups == nil {
			err = errNone
		}
		if err != nil {
			return nil, err
		}
		return *a.Groups, nil
	})
}

// keeper is who keeps what is parked of a group of which nobody told a message: the
// service itself, or the broker for one that is posted its events; "" when who might
// hold some did not tell.
func (f *Fleet) keeper(group string, counts map[string][]parking.Count) string {
	if _, told := counts[group]; told {
		return group
	}
	silent := slices.ContainsFunc(f.Services, func(s Service) bool { return s.Name == group && len(s.URLs) == 0 })
	if _, told := counts["broker"]; told && !silent {
		return "broker"
	}
	return ""
}

// isGroup returns an error for a group that does not exist, with those that may be
// meant.
func (f *Fleet) isGroup(ctx context.Context, group string) error {
	groups, err := f.Groups(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, g := range groups {
		names = append(names, g.Name)
	}
	if slices.Contains(names, group) {
		return nil
	}
	counts, _ := f.counts(ctx) // only for what it adds
	for _, list := range counts {
		for _, c := range list {
			names = append(names, c.Group)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if slices.Contains(names, group) {
		return nil
	}
	hint := "there is none"
	if near := problem.Near(group, names); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	} else if len(names) > 0 {
		hint = "there are " + strings.Join(names, ", ")
	}
	return problem.New(problem.NotFound, "no group is called %.60s: %s", group, hint)
}
