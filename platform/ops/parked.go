package ops

import (
	"context"
	"errors"
	"net"
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
	if group != "" {
		return f.dead(ctx, group)
	}
	var refused []Parked
	var moreRefused bool
	var unasked error
	var both sync.WaitGroup
	both.Go(func() { refused, moreRefused, unasked = f.refused(ctx) })
	list, more, err = f.dead(ctx, "")
	both.Wait()
	list = append(list, refused...)
	slices.SortFunc(list, byPlaceAndAge)
	return list, more || moreRefused, together(err, unasked)
}

// dead returns the messages that nobody could handle.
func (f *Fleet) dead(ctx context.Context, group string) (list []Parked, more bool, err error) {
	query := url.Values{"dead": {"true"}, "most": {strconv.Itoa(parking.MostListed)}}
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
	if err != nil {
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
	case len(found) == 1:
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
	return p, s.ask(ctx, http.MethodPost, settling(p.ID, order), struct{}{}, nil)
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
// were; those that a broker refused are of none. Only who has some is ordered to: another program might take a POST for
// something else.
func (f *Fleet) RedriveAll(ctx context.Context, group string) (int64, error) {
	type answer struct {
		Redriven int64 `json:"redriven"`
	}
	list, _, unasked := f.dead(ctx, group)
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
var ErrNoBroker = problem.New(problem.FailedPrecondition, "the fleet has no broker: say publishes:, on: or broker: in muster.yaml")

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
	if err == nil || ctx.Err() != nil {
		return err
	}
	why := err.Error()
	if p, ok := errors.AsType[*problem.Error](err); ok {
		if p.Code != problem.Unavailable {
			return err
		}
		why = p.Message
	} else if failed, ok := errors.AsType[*net.OpError](err); ok {
		why = failed.Err.Error()
	}
	return problem.New(problem.Unavailable, "the broker does not answer at %s: %s: see muster ps and muster logs broker", f.Broker, why)
}

// Lag is what is still to be handled, or to be published.
type Lag struct {
	Groups   []bus.GroupInfo `json:"groups"` // at the broker; nil when it does not answer
	Outboxes []Outbox        `json:"outboxes"`
}

// Lag asks the broker how far behind each group is, and all services what waits in
// their outboxes. Who does not answer, the broker too, is in the error.
func (f *Fleet) Lag(ctx context.Context) (l Lag, err error) {
	var away, unasked error
	var both sync.WaitGroup
	both.Go(func() { l.Outboxes, unasked = f.Outboxes(ctx) })
	l.Groups, away = f.Groups(ctx)
	both.Wait()
	if away == nil {
		l.Groups = append([]bus.GroupInfo{}, l.Groups...)
	}
	return l, errors.Join(away, unasked)
}
