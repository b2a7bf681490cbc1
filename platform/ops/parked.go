package ops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/problem"
)

const parkedPath = "/.muster/bus/parked"

// Parked is a message that is parked, and where: a service's database, or the broker's
// own for events that are posted. One of a service's outbox, that the broker refused
// for good, has no Group, as nobody got it yet, and an ID that begins with "outbox-".
type Parked struct {
	Service string `json:"service"`
	parking.Entry
}

// Name is what a person calls it: SERVICE/ID.
func (p Parked) Name() string { return p.Service + "/" + p.ID }

// where are those that may park messages.
func (f *Fleet) where() []Service { return slices.Concat(f.Services, f.broker()) }

// Dead returns the messages that wait for a person: those that nobody could handle, of
// all groups or of one, and, asked for all groups, those that the broker refused for
// good. more says that there are further ones.
func (f *Fleet) Dead(ctx context.Context, group string) (list []Parked, more bool, err error) {
	return f.listed(ctx, group, true)
}

// Parked returns the messages that Dead does, and those that wait: to be tried again,
// behind another of their key, or for their time.
func (f *Fleet) Parked(ctx context.Context, group string) (list []Parked, more bool, err error) {
	return f.listed(ctx, group, false)
}

func (f *Fleet) listed(ctx context.Context, group string, dead bool) (list []Parked, more bool, err error) {
	if group != "" {
		return f.parked(ctx, group, dead)
	}
	var refused []Parked
	var moreRefused bool
	var unasked error
	var both sync.WaitGroup
	both.Go(func() { refused, moreRefused, unasked = f.refused(ctx) })
	list, more, err = f.parked(ctx, "", dead)
	both.Wait()
	list = append(list, refused...)
	slices.SortFunc(list, byPlaceAndAge)
	return list, more || moreRefused, together(err, unasked)
}

// parked returns the messages that are parked, or only those that nobody could handle.
func (f *Fleet) parked(ctx context.Context, group string, dead bool) (list []Parked, more bool, err error) {
	query := url.Values{"dead": {strconv.FormatBool(dead)}, "most": {strconv.Itoa(parking.MostListed)}}
	if group != "" {
		query.Set("group", group)
	}
	type answer struct {
		Parked []parking.Entry `json:"parked"`
		More   bool            `json:"more"`
	}
	found, err := each(ctx, f.where(), func(ctx context.Context, s Service) (a answer, err error) {
		err = s.ask(ctx, http.MethodGet, parkedPath+"?"+query.Encode(), nil, &a)
		return a, none(err)
	})
	for service, a := range found {
		more = more || a.More
		for _, e := range a.Parked {
			list = append(list, Parked{service, e})
		}
	}
	slices.SortFunc(list, byPlaceAndAge)
	return list, more, err
}

// none is errNone for a service that answers that it has no such path.
func none(err error) error {
	if problem.CodeOf(err) == problem.NotFound {
		return errNone
	}
	return err
}

// Settle has a dead message tried again, or a refused one published again, or either
// given up, as order says: "redrive" or "discard". It is named SERVICE/ID, or ID alone where no other has it.
func (f *Fleet) Settle(ctx context.Context, name, order string) (Parked, error) {
	list, more, err := f.Dead(ctx, "")
	if err != nil && !onlyStopped(err) {
		return Parked{}, err
	}
	var found []Parked
	var names []string
	for _, p := range list {
		if p.Name() == name || p.ID == name {
			found, names = append(found, p), append(names, p.Name())
		}
	}
	switch {
	case len(found) > 1:
		return Parked{}, problem.New(problem.InvalidArgument, "%s is not one message but %s: write SERVICE/ID", name, strings.Join(names, " and "))
	case len(found) == 1 && (err == nil || found[0].Name() == name):
	case err != nil: // one that was not asked may hold it too
		return Parked{}, err
	case more && strings.Contains(name, "/"): // behind those that are listed
		service, id, _ := strings.Cut(name, "/")
		found = []Parked{{Service: service, Entry: parking.Entry{ID: id}}}
	default:
		return Parked{}, problem.New(problem.NotFound, "no dead message is called %.100s: see muster bus dead", name)
	}
	p := found[0]
	s, err := f.one(p.Service)
	if err != nil {
		return p, err
	}
	return p, s.order(ctx, settling(p.ID, order), struct{}{}, nil)
}

// order sends a POST. Who does not answer is named.
func (s Service) order(ctx context.Context, path string, body, out any) error {
	err := s.ask(ctx, http.MethodPost, path, body, out)
	if _, said := errors.AsType[*problem.Error](err); err == nil || said || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%s: %w", s.Name, err)
}

// one returns a service or the broker.
func (f *Fleet) one(name string) (Service, error) {
	if b := f.broker(); len(b) > 0 && name == b[0].Name {
		return b[0], nil
	}
	list, err := f.only(name)
	if err != nil {
		return Service{}, err
	}
	return list[0], nil
}

// RedriveAll has all dead messages of a group tried again and returns how many they
// were; those that a broker refused are of none. A group that does not exist is
// not_found. Only who has some is ordered to: another program might take a POST for
// something else.
func (f *Fleet) RedriveAll(ctx context.Context, group string) (int64, error) {
	type answer struct {
		Redriven int64 `json:"redriven"`
	}
	list, _, unasked := f.parked(ctx, group, true)
	if len(list) == 0 && group != "" {
		if err := f.isGroup(ctx, group); err != nil {
			return 0, together(unasked, err)
		}
	}
	where := slices.DeleteFunc(f.where(), func(s Service) bool {
		return !slices.ContainsFunc(list, func(p Parked) bool { return p.Service == s.Name })
	})
	found, err := each(ctx, where, func(ctx context.Context, s Service) (a answer, err error) {
		return a, s.ask(ctx, http.MethodPost, "/.muster/bus/redrive", map[string]string{"group": group}, &a)
	})
	err = errors.Join(unasked, err)
	var n int64
	for _, a := range found {
		n += a.Redriven
	}
	return n, err
}

// ErrNoBroker is the answer of a fleet that has no broker of the platform's.
var ErrNoBroker = problem.New(problem.FailedPrecondition, "the fleet has no broker of the platform's to ask: say publishes:, on: or broker: in muster.yaml; where bus: names another kind than NATS, ask that broker by its own tools")

// Topics returns the topics that the broker has messages of.
func (f *Fleet) Topics(ctx context.Context) ([]bus.TopicInfo, error) {
	var list []bus.TopicInfo
	return list, f.askBroker(ctx, "/v1/topics", &list)
}

// Groups returns who consumes and how far behind each is.
func (f *Fleet) Groups(ctx context.Context) ([]bus.GroupInfo, error) {
	var list []bus.GroupInfo
	return list, f.askBroker(ctx, "/v1/groups", &list)
}

func (f *Fleet) askBroker(ctx context.Context, path string, out any) error {
	b := f.broker()
	if len(b) == 0 {
		return ErrNoBroker
	}
	err := b[0].ask(ctx, http.MethodGet, path, nil, out)
	if errors.Is(err, errNone) {
		return problem.New(problem.Unavailable, "the broker does not answer at %s: what listens there is not one of the platform's: see muster ps and muster logs broker", f.Broker)
	}
	return err
}
