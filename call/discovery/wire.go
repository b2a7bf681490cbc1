package discovery

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
)

// The rhythm of leases.
const (
	LeaseTTL  = 4 * time.Second // how long a registry keeps an instance that is silent
	BeatEvery = time.Second     // how often a holder renews its lease, give or take a tenth
)

// Headers of a request to the registry.
const (
	// CallerHeader names the service that asks, so that a registry may answer each caller
	// differently. Calls between services carry it too, in lower case as metadata of gRPC,
	// for the one called to know whose limit counts. Who sends none is nobody in particular.
	CallerHeader = "Muster-Caller"
	// LeaseHeader tells one process that holds an instance's id from another, before and
	// after it: any text that ValidID takes and no other process has. With it, a beat that
	// comes after its own deregistration, or after another process registered the id, is
	// refused and cannot bring back what is gone. It is optional.
	LeaseHeader = "Muster-Lease"
)

// Bounds of a watch.
const (
	DefaultWait      = 20 * time.Second // how long a watch waits when it does not say
	MaxWait          = 60 * time.Second // how long a watch may wait
	MaxWatchServices = 256              // services one watch may name
)

// Registration is a registry's answer to a registration, a beat or an order.
type Registration struct {
	Epoch string `json:"epoch"` // changes whenever the registry starts
	Index uint64 `json:"index"` // grows with every change, within an epoch
	State State  `json:"state"` // the state others see: an order outranks what the holder said
	TTL   int64  `json:"ttl"`   // milliseconds until the lease ends unless it is renewed
}

// Order is what an operator tells an instance by way of the registry. The only
// state that can be ordered is Draining, and it stays until the lease ends.
type Order struct {
	State State `json:"state"`
}

// Catalog is a registry's list of instances, sorted by id. A service that is listed
// with none is known to have none; one that is not listed was never seen.
type Catalog struct {
	Epoch    string                `json:"epoch"`
	Index    uint64                `json:"index"`
	Services map[string][]Instance `json:"services"`
	Settings map[string]Settings   `json:"settings,omitempty"`
}

// Settings says how a service is to be called, as a JSON object: the text of a Service of
// package policy, which the registry checks, keeps and hands on. nil, which is null on the
// wire, says nothing.
type Settings = json.RawMessage

// MaxSettings bounds the settings of one service, in bytes.
const MaxSettings = 64 << 10

// Changes is a registry's answer to a watch: what became newer than the watch's
// epoch and index. With Reset, Changed is the full list and replaces what was known.
type Changes struct {
	Epoch   string     `json:"epoch"`
	Index   uint64     `json:"index"`
	Reset   bool       `json:"reset"`
	Changed []Instance `json:"changed"` // new or different, sorted by service and id
	Removed []Ref      `json:"removed"` // gone
	Known   []string   `json:"known"`   // of the services asked for, those that had a lease since the registry started

	// Settings holds those that were set, null where they were taken back. With Reset
	// they are all there are; what is not among them stays as it was.
	Settings map[string]Settings `json:"settings,omitempty"`
}

// check returns what in the changes no registry would say: an answer is taken as a whole
// or not at all, for half a list looks like instances that are gone.
func (c Changes) check() error {
	for _, in := range c.Changed {
		if err := in.Validate(); err != nil {
			return fmt.Errorf("instance %.80q: %w", in.ID, err)
		}
	}
	for service, s := range c.Settings {
		if len(s) > MaxSettings {
			return fmt.Errorf("the settings of %.80q are larger than %d bytes", service, MaxSettings)
		}
	}
	return nil
}

// Ref names one instance of a service.
type Ref struct {
	Service string `json:"service"`
	ID      string `json:"id"`
}

// Watch asks for the changes after an epoch and index. The zero Epoch asks for
// everything at once.
type Watch struct {
	Services []string // nil asks for all
	Epoch    string
	Index    uint64
	Wait     time.Duration // how long the registry may wait for a change; 0 does not wait
}

// Query returns w as the query of GET /v1/watch; Wait is cut to milliseconds.
func (w Watch) Query() url.Values {
	q := url.Values{"wait": {w.Wait.Truncate(time.Millisecond).String()}}
	if len(w.Services) > 0 {
		q["service"] = w.Services
	}
	if w.Epoch != "" {
		q.Set("epoch", w.Epoch)
		q.Set("index", strconv.FormatUint(w.Index, 10))
	}
	return q
}

// ParseWatch reads the query of GET /v1/watch. Its errors are InvalidArgument and
// name the parameter.
func ParseWatch(q url.Values) (Watch, error) {
	known := []string{"epoch", "index", "service", "wait"}
	bad := func(field, reason string) (Watch, error) {
		return Watch{}, problem.New(problem.InvalidArgument, "the query parameter %q is not valid", field).WithField(field, reason)
	}
	w := Watch{Epoch: q.Get("epoch"), Wait: DefaultWait}
	for name, values := range q {
		if !slices.Contains(known, name) {
			near := problem.Nearest(name, known)
			if near == "" {
				near = strings.Join(known, ", ")
			}
			return bad(name, "unknown; did you mean "+near+"?")
		}
		if name != "service" && len(values) > 1 {
			return bad(name, "must be given once")
		}
	}
	for _, s := range q["service"] {
		if !ValidName(s) {
			return bad("service", fmt.Sprintf("%.80q is not a DNS label: use a-z, 0-9 and '-', at most 63, beginning with a letter", s))
		}
		if !slices.Contains(w.Services, s) {
			w.Services = append(w.Services, s)
		}
		if len(w.Services) > MaxWatchServices {
			return bad("service", fmt.Sprintf("at most %d; name none to watch all", MaxWatchServices))
		}
	}
	var err error
	if s := q.Get("index"); s != "" {
		if w.Index, err = strconv.ParseUint(s, 10, 64); err != nil {
			return bad("index", "must be the index of the last answer, a whole number")
		}
	}
	if s := q.Get("wait"); s != "" {
		if w.Wait, err = time.ParseDuration(s); err != nil || w.Wait < 0 || w.Wait > MaxWait {
			return bad("wait", fmt.Sprintf("must be a duration from 0s to %s, such as 20s", MaxWait))
		}
	}
	return w, nil
}
