// Package partners asks the services of a fleet that runs for the endpoints that they send
// webhooks to, and passes on what a person orders of them.
package partners

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/webhook"
	"github.com/musterdev/muster/webhook/web"
)

const path = "/.muster/webhooks"

// Endpoint is an endpoint and the service that sends to it.
type Endpoint struct {
	Service string `json:"service"`
	webhook.Endpoint
}

// Detail is an endpoint with its last deliveries, the newest first.
type Detail struct {
	Endpoint

	Deliveries []webhook.Delivery `json:"deliveries"`
}

// Of returns the endpoints of all services, by service and age.
func Of(ctx context.Context, f *ops.Fleet) ([]Endpoint, error) {
	found, err := ops.All(ctx, f, func(ctx context.Context, s ops.Service) (l web.Listing, has bool, err error) {
		has, err = s.Get(ctx, path, &l)
		return l, has && l.Endpoints != nil, err // nil: something else answers there
	})
	list := []Endpoint{}
	for _, service := range slices.Sorted(maps.Keys(found)) {
		for _, e := range found[service].Endpoints {
			list = append(list, Endpoint{service, e})
		}
	}
	return list, err
}

// find returns one endpoint, by its id, and whom to ask about it. It does not look for it in the lists, which are not
// without end.
func find(ctx context.Context, f *ops.Fleet, id string) (Endpoint, ops.Service, error) {
	found, err := ops.All(ctx, f, func(ctx context.Context, s ops.Service) (e webhook.Endpoint, has bool, err error) {
		has, err = s.Get(ctx, path+"/"+url.PathEscape(id), &e)
		return e, has && e.ID == id, err // another: something else answers there
	})
	for _, s := range f.Services {
		if e, ok := found[s.Name]; ok {
			return Endpoint{s.Name, e}, s, nil
		}
	}
	if err != nil { // one that was not asked may have it
		return Endpoint{}, ops.Service{}, err
	}
	return Endpoint{}, ops.Service{}, problem.New(problem.NotFound, "no service has an endpoint %.60s: see muster webhook ls", id)
}

// Show returns an endpoint with as many of its deliveries as most, of one state or of all.
func Show(ctx context.Context, f *ops.Fleet, id string, state webhook.State, most int) (Detail, error) {
	e, s, err := find(ctx, f, id)
	if err != nil {
		return Detail{}, err
	}
	query := url.Values{"endpoint": {id}, "most": {fmt.Sprint(most)}}
	if state != "" {
		query.Set("state", string(state))
	}
	var l web.Deliveries
	_, err = s.Get(ctx, path+"/-/deliveries?"+query.Encode(), &l)
	return Detail{e, append([]webhook.Delivery{}, l.Deliveries...)}, err
}

// Switch enables or disables an endpoint and returns it as it is then.
func Switch(ctx context.Context, f *ops.Fleet, id string, on bool, order web.Switch) (Endpoint, error) {
	e, s, err := find(ctx, f, id)
	if err != nil {
		return e, err
	}
	what := "disable"
	if on {
		what = "enable"
	}
	e.Endpoint = webhook.Endpoint{}
	err = s.Order(ctx, path+"/"+url.PathEscape(id)+"/"+what, order, &e.Endpoint)
	return e, err
}

// Replay has the deliveries of an endpoint sent again that the range chooses, and returns how
// many they are.
func Replay(ctx context.Context, f *ops.Fleet, r web.Range) (int64, error) {
	_, s, err := find(ctx, f, r.Endpoint)
	if err != nil {
		return 0, err
	}
	var done web.Replayed
	err = s.Order(ctx, path+"/-/replay", r, &done)
	return done.Replayed, err
}

// ReplayOne has one delivery of an endpoint sent again.
func ReplayOne(ctx context.Context, f *ops.Fleet, endpoint, delivery string, n webhook.Note) error {
	_, s, err := find(ctx, f, endpoint)
	if err != nil {
		return err
	}
	none := problem.New(problem.NotFound, "the endpoint %.60s has no delivery %.40q: see muster webhook show", endpoint, delivery)
	number, err := strconv.ParseInt(delivery, 10, 64)
	if err != nil || number < 0 || number == math.MaxInt64 {
		return none
	}
	var l web.Deliveries // the newest before the next number is the one, or the endpoint has it not: it is another's
	query := url.Values{"endpoint": {endpoint}, "before": {strconv.FormatInt(number+1, 10)}, "most": {"1"}}
	if _, err := s.Get(ctx, path+"/-/deliveries?"+query.Encode(), &l); err != nil {
		return err
	}
	if len(l.Deliveries) == 0 || l.Deliveries[0].ID != delivery {
		return none
	}
	return s.Order(ctx, path+"/-/deliveries/"+url.PathEscape(delivery)+"/replay", n, nil)
}

// state is how an endpoint fares, in words for people.
func state(e webhook.Endpoint) string {
	switch {
	case e.Disabled != "":
		return "disabled"
	case e.Failures > 0:
		return fmt.Sprintf("failing, %d", e.Failures)
	}
	return "good"
}

// Write writes endpoints, for people.
func Write(out io.Writer, list []Endpoint) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SERVICE\tENDPOINT\tSTATE\tWAITING\tDEAD\tLAST OK\tURL\tTOPICS\tWHY")
	for _, e := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", e.Service, e.ID, state(e.Endpoint), e.Waiting, e.Dead, ago(e.OK), e.URL, strings.Join(e.Topics, " "), cmp.Or(e.Disabled, blame(e.Endpoint)))
	}
	return w.Flush()
}

// blame is why an endpoint fails, "" for one that does not.
func blame(e webhook.Endpoint) string {
	if e.Failures == 0 {
		return ""
	}
	return e.Error
}

func ago(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return max(0, time.Since(t)).Round(time.Second).String() + " ago"
}

// WriteDetail writes an endpoint and its deliveries, for people.
func WriteDetail(out io.Writer, d Detail) error {
	if err := Write(out, []Endpoint{d.Endpoint}); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nDELIVERY\tTOPIC\tSTATE\tATTEMPTS\tSTATUS\tTOOK\tAPPENDED\tTRIED\tERROR")
	for _, one := range d.Deliveries {
		status := "-"
		if one.Status != 0 {
			status = fmt.Sprint(one.Status)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%d ms\t%s\t%s\t%s\n", one.ID, one.Topic, one.State, one.Attempts, status, one.TookMS, ago(one.Appended), ago(one.Tried), one.Error)
	}
	return w.Flush()
}
