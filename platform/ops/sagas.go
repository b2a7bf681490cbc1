package ops

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/problem"
)

const sagasPath = "/.muster/sagas"

// Saga is a saga and the service in whose database it is.
type Saga struct {
	Service string `json:"service"`
	saga.Entry
}

// SagaDetail is a saga with all that is known of it.
type SagaDetail struct {
	Service string `json:"service"`
	saga.Detail
}

// Sagas returns the sagas of all services, the last changed first, and how many there
// are that the filter takes: its limit counts for each service.
func (f *Fleet) Sagas(ctx context.Context, filter saga.Filter) (list []Saga, all int64, err error) {
	list, counts, _, err := f.sagas(ctx, filter)
	return list, of(counts, filter.State), err
}

// of is how many there are in a state; "" means all.
func of(counts map[saga.State]int64, state saga.State) (all int64) {
	for s, n := range counts {
		if state == "" || s == state {
			all += n
		}
	}
	return all
}

// sagas returns the sagas that the filter takes, and how many there are in each state,
// whatever state it asks for; and all steps that are held.
func (f *Fleet) sagas(ctx context.Context, filter saga.Filter) (list []Saga, counts map[saga.State]int64, held []Held, err error) {
	query := url.Values{}
	for name, v := range map[string]string{"name": filter.Name, "state": string(filter.State)} {
		if v != "" {
			query.Set(name, v)
		}
	}
	if filter.Limit != 0 {
		query.Set("limit", strconv.Itoa(filter.Limit))
	}
	found, err := each(ctx, f.Services, func(ctx context.Context, s Service) (saga.Listing, error) {
		return s.listing(ctx, query)
	})
	counts = map[saga.State]int64{}
	for service, one := range found {
		for _, e := range one.Sagas {
			list = append(list, Saga{service, e})
		}
		for _, c := range one.Counts {
			if filter.Name == "" || c.Name == filter.Name {
				counts[c.State] += c.Sagas
			}
		}
	}
	slices.SortFunc(list, func(a, b Saga) int {
		return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return list, counts, heldIn(found), err
}

func (s Service) listing(ctx context.Context, query url.Values) (saga.Listing, error) {
	var l saga.Listing
	err := s.ask(ctx, http.MethodGet, sagasPath+"?"+query.Encode(), nil, &l)
	if problem.CodeOf(err) == problem.NotFound {
		err = errNone // the service's own answer to a path it has not
	}
	return l, err
}

// Definition is a saga that a service's build carries on.
type Definition struct {
	Service string `json:"service"`
	saga.Known
}

// Definitions returns the sagas that the builds of all services know, whether or not there
// are any, by service, name and version.
func (f *Fleet) Definitions(ctx context.Context) (list []Definition, err error) {
	found, err := each(ctx, f.Services, func(ctx context.Context, s Service) (saga.Listing, error) {
		return s.listing(ctx, url.Values{"limit": {"1"}})
	})
	for _, service := range slices.Sorted(maps.Keys(found)) {
		for _, known := range found[service].Definitions {
			list = append(list, Definition{service, known})
		}
	}
	return list, err
}

// SagaName is what a person calls a saga: NAME/ID, or ID alone where no other has it.
type SagaName struct {
	Service  string // "" asks all
	Name, ID string // Name may be ""
}

// ParseSaga reads NAME/ID or ID.
func ParseSaga(text string) (SagaName, error) {
	name, id, both := strings.Cut(text, "/")
	if !both {
		name, id = "", text
	}
	if id == "" || both && name == "" || strings.Contains(id, "/") {
		return SagaName{}, problem.New(problem.InvalidArgument, "%.100q names no saga: write NAME/ID or ID, as muster saga ls shows them", text)
	}
	return SagaName{Name: name, ID: id}, nil
}

func (n SagaName) String() string {
	if n.Name == "" {
		return n.ID
	}
	return n.Name + "/" + n.ID
}

// Saga finds one saga. None, or more than one, is an error that says so.
func (f *Fleet) Saga(ctx context.Context, n SagaName) (SagaDetail, error) {
	services, err := f.only(n.Service)
	if err != nil {
		return SagaDetail{}, err
	}
	found, err := each(ctx, services, func(ctx context.Context, s Service) ([]saga.Detail, error) { return s.sagas(ctx, n) })
	var list []SagaDetail
	for service, details := range found {
		for _, d := range details {
			list = append(list, SagaDetail{service, d})
		}
	}
	switch {
	case len(list) == 1 && (err == nil || n.Name != "" && onlyStopped(err)):
		return list[0], nil
	case len(list) > 1:
		var which []string
		for _, d := range list {
			which = append(which, d.Name+"/"+d.ID+" of "+d.Service)
		}
		slices.Sort(which)
		return SagaDetail{}, problem.New(problem.InvalidArgument, "%s is not one saga but %s: write NAME/ID, and --service where both have it", n, strings.Join(which, " and "))
	case err != nil: // one that was not asked may have it too
		return SagaDetail{}, err
	}
	return SagaDetail{}, problem.New(problem.NotFound, "no service has a saga %s: see muster saga ls", n)
}

// sagas returns the sagas of a service that n may mean.
func (s Service) sagas(ctx context.Context, n SagaName) ([]saga.Detail, error) {
	names := []string{n.Name}
	if n.Name == "" {
		l, err := s.listing(ctx, url.Values{"limit": {"1"}})
		if err != nil {
			return nil, err
		}
		names = nil
		for _, c := range l.Counts { // of all sagas that there are
			names = append(names, c.Name)
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	var list []saga.Detail
	for _, name := range names {
		var d saga.Detail
		err := s.ask(ctx, http.MethodGet, sagaPath(name, n.ID), nil, &d)
		switch {
		case problem.CodeOf(err) == problem.NotFound:
		case err != nil:
			return nil, err
		case d.ID == n.ID && d.Name == name: // a program of its own kind answers anything
			list = append(list, d)
		}
	}
	return list, nil
}

func sagaPath(name, id string) string {
	return sagasPath + "/" + url.PathEscape(name) + "/" + url.PathEscape(id)
}

// Interfere has a saga tried again, skip its step, be compensated, pause or go on, as
// order says: "retry", "skip", "compensate", "pause" or "resume". It returns the saga as
// it is then.
func (f *Fleet) Interfere(ctx context.Context, n SagaName, order string, note saga.Note) (SagaDetail, error) {
	return f.order(ctx, n, order, note)
}

// Edit replaces a saga's data, see saga.Engine.Edit. It returns the saga as it is then.
func (f *Fleet) Edit(ctx context.Context, n SagaName, ed saga.Edited) (SagaDetail, error) {
	return f.order(ctx, n, "edit", ed)
}

func (f *Fleet) order(ctx context.Context, n SagaName, order string, body any) (SagaDetail, error) {
	d, err := f.Saga(ctx, n)
	if err != nil {
		return d, err
	}
	services, err := f.only(d.Service)
	if err != nil {
		return d, err
	}
	return d, services[0].order(ctx, sagaPath(d.Name, d.ID)+"/"+order, body, &d.Detail)
}

// RetryAll has all sagas of a name that are paused with such an error tried again, see
// saga.Engine.RetryAll, of one service, or of all for "".
func (f *Fleet) RetryAll(ctx context.Context, service string, b saga.Bulk) (done saga.Bulked, err error) {
	services, err := f.only(service)
	if err != nil {
		return done, err
	}
	found, err := each(ctx, services, func(ctx context.Context, s Service) (one saga.Bulked, err error) {
		l, err := s.listing(ctx, url.Values{"limit": {"1"}})
		if err != nil || !slices.ContainsFunc(l.Counts, func(c saga.Count) bool { return c.Name == b.Name }) {
			return one, err
		}
		return one, s.order(ctx, sagasPath+"/-/retry", b, &one)
	})
	for _, one := range found {
		done.Retried += one.Retried
		done.Refused += one.Refused
	}
	return done, err
}

// Stranded are sagas of a service that its build cannot carry on.
type Stranded struct {
	Service string `json:"service"`
	saga.Stranded
}

// Stranded asks every service for the sagas under way that its build cannot carry on: see
// saga.Engine.Check. Asked is how many services answered.
func (f *Fleet) Stranded(ctx context.Context) (list []Stranded, asked int, err error) {
	found, err := each(ctx, f.Services, func(ctx context.Context, s Service) (some []saga.Stranded, err error) {
		if _, err := s.listing(ctx, url.Values{"limit": {"1"}}); err != nil {
			return nil, err
		}
		return some, s.ask(ctx, http.MethodGet, sagasPath+"/-/stranded", nil, &some)
	})
	for service, some := range found {
		for _, one := range some {
			list = append(list, Stranded{service, one})
		}
	}
	slices.SortFunc(list, func(a, b Stranded) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Step, b.Step))
	})
	return list, len(found), err
}

// only returns one service, or all for "".
func (f *Fleet) only(name string) ([]Service, error) {
	if name == "" {
		return f.Services, nil
	}
	var names []string
	for _, s := range f.Services {
		if s.Name == name {
			return []Service{s}, nil
		}
		names = append(names, s.Name)
	}
	return nil, problem.New(problem.NotFound, "the fleet has no service %.60q; it has %s", name, strings.Join(names, ", "))
}
