// Package followed asks the services of a fleet that runs which databases they follow, and passes on what a
// person orders.
package followed

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/musterdev/muster/data/cdc"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/problem"
)

const path = "/.muster/cdc"

// Source is what a service follows.
type Source struct {
	Service string `json:"service"`
	cdc.Status
}

// Of returns what all services follow, by service and name.
func Of(ctx context.Context, f *ops.Fleet) ([]Source, error) {
	found, err := ops.All(ctx, f, func(ctx context.Context, s ops.Service) ([]cdc.Status, bool, error) {
		var a cdc.Listing
		has, err := s.Get(ctx, path, &a)
		return a.Followed, has && a.Followed != nil, err // nil: something else answers there
	})
	list := []Source{}
	for _, service := range slices.Sorted(maps.Keys(found)) {
		for _, s := range found[service] {
			list = append(list, Source{service, s})
		}
	}
	return list, err
}

// Recopy has everything copied anew that a service follows by a name; see [cdc.Recopy]. service may be "" where no other has one of
// the name. Errors are not_found and invalid_argument.
func Recopy(ctx context.Context, f *ops.Fleet, service, name string, n cdc.Note) (Source, error) {
	list, err := Of(ctx, f)
	var which []Source
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
		if s.Name == name && (service == "" || s.Service == service) {
			which = append(which, s)
		}
	}
	switch {
	case len(which) > 1:
		return Source{}, problem.New(problem.InvalidArgument, "%d services follow something by the name %.60s: choose with --service", len(which), name)
	case len(which) == 0 && err != nil: // one that was not asked may have it
		return Source{}, err
	case len(which) == 0:
		hint := "nothing is followed"
		if near := problem.Near(name, names); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "?"
		} else if len(names) > 0 {
			hint = "there are " + strings.Join(slices.Compact(slices.Sorted(slices.Values(names))), ", ")
		}
		return Source{}, problem.New(problem.NotFound, "no service follows anything by the name %.60s: %s", name, hint)
	}
	for _, s := range f.Services {
		if s.Name == which[0].Service {
			err = s.Order(ctx, path+"/"+url.PathEscape(name)+"/recopy", n, nil)
		}
	}
	return which[0], err
}

// Write writes what Of returned, for people.
func Write(out io.Writer, list []Source) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SERVICE\tNAME\tSTATE\tPOSITION\tLOST")
	for _, s := range list {
		at, _, _ := strings.Cut(string(s.Position), " ") // of PostgreSQL: an LSN comes first
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Service, s.Name, s.State, cmp.Or(at, "-"), cmp.Or(s.Lost, "-"))
	}
	return w.Flush()
}
