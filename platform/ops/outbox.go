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

	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
)

const outboxPath = "/.muster/outbox"

// ofOutbox begins the ids of refused messages among those that are dead.
const ofOutbox = "outbox-"

// Outbox is what waits in a service's outbox to be published.
type Outbox struct {
	Service string `json:"service"`
	outbox.Listing
}

// Outboxes returns what waits in the outboxes of all services that have one, each with
// the first of the messages that the broker refused for good.
func (f *Fleet) Outboxes(ctx context.Context) ([]Outbox, error) {
	type answer struct {
		Waiting *int64 `json:"waiting"` // nil: something else answers there
		outbox.Listing
	}
	found, err := each(ctx, f.Services, func(ctx context.Context, s Service) (l outbox.Listing, err error) {
		var a answer
		err = none(s.ask(ctx, http.MethodGet, outboxPath+"?most="+strconv.Itoa(outbox.MostListed), nil, &a))
		if err == nil && a.Waiting == nil {
			err = errNone
		}
		if err != nil {
			return l, err
		}
		a.Listing.Waiting = *a.Waiting
		return a.Listing, nil
	})
	list := []Outbox{}
	for _, service := range slices.Sorted(maps.Keys(found)) {
		list = append(list, Outbox{service, found[service]})
	}
	return list, err
}

// AcceptLoss has the outbox of a service go on that had stopped because a part of its database's log is lost: by whom, and why. What
// was lost stays lost. Errors are not_found, invalid_argument, and failed_precondition where nothing is lost.
func (f *Fleet) AcceptLoss(ctx context.Context, service string, a outbox.Acceptance) error {
	s, err := f.one(service)
	if err != nil {
		return err
	}
	return s.order(ctx, outboxPath+"/log/accept", a, nil)
}

// refused returns the messages that brokers refused for good, as dead ones are shown.
func (f *Fleet) refused(ctx context.Context) (list []Parked, more bool, err error) {
	boxes, err := f.Outboxes(ctx)
	for _, box := range boxes {
		more = more || box.More
		for _, r := range box.Refused {
			list = append(list, Parked{box.Service, parking.Entry{
				ID: ofOutbox + r.ID, Source: "/" + box.Service, Event: r.Event, Topic: r.Topic, Key: r.Key, Error: r.Error, Dead: true, Parked: r.Appended,
			}})
		}
	}
	return list, more, err
}

// settling is the path by which a service is ordered to "redrive" or "discard" what it
// holds.
func settling(id, order string) string {
	refused, ok := strings.CutPrefix(id, ofOutbox)
	if !ok {
		return parkedPath + "/" + url.PathEscape(id) + "/" + order
	}
	if order == "redrive" {
		order = "retry"
	}
	return outboxPath + "/" + url.PathEscape(refused) + "/" + order
}

func byPlaceAndAge(a, b Parked) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), a.Entry.Parked.Compare(b.Entry.Parked), cmp.Compare(len(a.ID), len(b.ID)), cmp.Compare(a.ID, b.ID))
}
