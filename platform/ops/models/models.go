// Package models asks the services of a fleet that runs for their read models, and passes on
// what a person orders of them.
package models

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/problem"
)

const path = "/.muster/projections"

// Projection is a read model of a service, with its builds, the latest first. How far a build is
// behind the instance says that was asked, if it feeds it.
type Projection struct {
	Service string              `json:"service"`
	Name    string              `json:"name"`
	Builds  []projection.Status `json:"builds"`
}

// Of returns the read models of all services, by service and name.
func Of(ctx context.Context, f *ops.Fleet) ([]Projection, error) {
	found, err := ops.All(ctx, f, func(ctx context.Context, s ops.Service) (map[string][]projection.Status, bool, error) {
		var a projection.Listing
		has, err := s.Get(ctx, path, &a)
		return a.Projections, has && a.Projections != nil, err // nil: something else answers there
	})
	list := []Projection{}
	for _, service := range slices.Sorted(maps.Keys(found)) {
		for _, name := range slices.Sorted(maps.Keys(found[service])) {
			list = append(list, Projection{service, name, found[service][name]})
		}
	}
	return list, err
}

// Order has a read model made anew, or taken as it is: order is "rebuild" or
// "accept"; see projection.Projection. service may be "" where no other has one of the
// name. It returns the read model as it is then.
func Order(ctx context.Context, f *ops.Fleet, service, name, order string, note projection.Note) (Projection, error) {
	list, err := Of(ctx, f)
	var which []Projection
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
		if p.Name == name && (service == "" || p.Service == service) {
			which = append(which, p)
		}
	}
	switch {
	case len(which) > 1:
		return Projection{}, problem.New(problem.InvalidArgument, "%d services have a projection %.60s: choose with --service", len(which), name)
	case len(which) == 0 && err != nil: // one that was not asked may have it
		return Projection{}, err
	case len(which) == 0:
		slices.Sort(names)
		names = slices.Compact(names)
		hint := "there is none"
		if near := problem.Near(name, names); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		} else if len(names) > 0 {
			hint = "there are " + strings.Join(names, ", ")
		}
		return Projection{}, problem.New(problem.NotFound, "no service has a projection %.60s: %s", name, hint)
	}
	p := which[0]
	for _, s := range f.Services {
		if s.Name == p.Service {
			err = s.Order(ctx, path+"/"+url.PathEscape(name)+"/"+order, note, &p.Builds)
		}
	}
	return p, err
}

// Write writes read models, for people.
func Write(out io.Writer, list []Projection) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SERVICE\tPROJECTION\tBUILD\tSTATE\tBEHIND\tOLDEST\tFAILED\tBEGAN\tWHY")
	for _, p := range list {
		for _, b := range p.Builds {
			state, behind, oldest := b.State, "-", "-"
			if b.Read {
				state += ", read"
			}
			if b.Fed {
				behind, oldest = strconv.FormatInt(b.Behind, 10), time.Duration(b.Oldest*float64(time.Second)).Round(time.Millisecond).String()
			}
			why := b.Why
			if b.By != "" {
				why = b.By + ": " + b.Why
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s ago\t%s\n", p.Service, p.Name, b.Name, state, behind, oldest, b.Failed,
				max(0, time.Since(b.Began)).Round(time.Second), cmp.Or(b.Hindered, why))
		}
	}
	return w.Flush()
}
