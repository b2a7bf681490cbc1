package discovery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
)

const (
	maxAnswer  = 16 << 20        // bytes read of a registry's answer
	maxHeader  = 64 << 10        // bytes of its header
	maxObjects = 256 << 10       // JSON objects in it
	maxValues  = 1 << 20         // JSON values in it
	dialTime   = 2 * time.Second // to reach a registry's host
)

// remote speaks the registry's protocol.
type remote struct {
	base   *url.URL
	caller string // the service that asks; "" is nobody in particular
	http   *http.Client
	own    *http.Transport // closed with the client; nil when the transport was given
}

func newRemote(base, caller string, client *http.Client) (*remote, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("registry address %q: must be a URL such as http://127.0.0.1:8081", base)
	}
	r := &remote{base: u, caller: caller, http: &http.Client{}}
	if client != nil {
		*r.http = *client
	} else {
		// The watch and the beats take one connection each. No proxy from the
		// environment: a registry is inside the fleet.
		r.own = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTime}).DialContext,
			MaxIdleConnsPerHost: 16, // a supervisor beats for many
			IdleConnTimeout:     time.Minute,

			MaxResponseHeaderBytes: maxHeader,
		}
		r.http.Transport = r.own
	}
	// A registry sends nobody elsewhere: what does is none.
	r.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return r, nil
}

func (r *remote) close() {
	if r.own != nil {
		r.own.CloseIdleConnections()
	}
}

// exchange is one request to the registry. In and out are JSON and may be nil.
type exchange struct {
	method  string
	in, out any
	query   url.Values
	lease   string // LeaseHeader; "" sends none
}

// do makes an exchange. The URL's path is base's followed by the elements.
func (r *remote) do(ctx context.Context, ex exchange, elements ...string) error {
	u := r.base.JoinPath(elements...)
	u.RawQuery = ex.query.Encode()
	var body io.Reader
	if ex.in != nil {
		b, err := json.Marshal(ex.in)
		if err != nil {
			return fmt.Errorf("write a request to the registry: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, ex.method, u.String(), body)
	if err != nil {
		return fmt.Errorf("write a request to the registry: %w", err)
	}
	if ex.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if ex.lease != "" {
		req.Header.Set(LeaseHeader, ex.lease)
	}
	if r.caller != "" {
		req.Header.Set(CallerHeader, r.caller)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // the answer was read
	if err := problem.FromResponse(res); err != nil {
		return fmt.Errorf("registry: %s %s: %w", ex.method, u.Path, err)
	}
	if res.StatusCode/100 != 2 {
		return r.nonsense(ex.method, u.Path, fmt.Errorf("it answers %d, which no registry does", res.StatusCode))
	}
	if ex.out == nil {
		return nil
	}
	b, err := readAnswer(res.Body)
	if err == nil {
		err = json.Unmarshal(b, ex.out)
	}
	if err != nil {
		return r.nonsense(ex.method, u.Path, err)
	}
	return nil
}

// nonsense says that what answers is no registry, or none of this protocol.
func (r *remote) nonsense(method, path string, err error) error {
	return fmt.Errorf("read the registry's answer to %s %s (is %s a registry?): %w", method, path, r.base.Redacted(), err)
}

// readAnswer reads an answer of bounded size and, so that what it becomes in memory is
// bounded too, of a bounded number of values.
func readAnswer(body io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxAnswer:
		return nil, fmt.Errorf("it is larger than %d bytes", maxAnswer)
	case bytes.Count(b, []byte{'{'}) > maxObjects || bytes.Count(b, []byte{','}) > maxValues:
		return nil, fmt.Errorf("it has more than %d objects or %d values", maxObjects, maxValues)
	}
	return b, nil
}

func (r *remote) put(ctx context.Context, in Instance, lease string) (reg Registration, err error) {
	err = r.do(ctx, exchange{method: http.MethodPut, in: in, out: &reg, lease: lease}, "v1", "instances", in.ID)
	if err == nil && (reg.Epoch == "" || !reg.State.valid()) {
		err = r.nonsense(http.MethodPut, "/v1/instances/"+in.ID, errors.New("it has no epoch or no state"))
	}
	return reg, err
}

func (r *remote) remove(ctx context.Context, id, lease string) error {
	return r.do(ctx, exchange{method: http.MethodDelete, lease: lease}, "v1", "instances", id)
}

func (r *remote) order(ctx context.Context, id string, state State) error {
	return r.do(ctx, exchange{method: http.MethodPut, in: Order{State: state}}, "v1", "instances", id, "state")
}

func (r *remote) set(ctx context.Context, service string, s Settings) error {
	if len(s) == 0 {
		return r.do(ctx, exchange{method: http.MethodDelete}, "v1", "services", service, "settings")
	}
	return r.do(ctx, exchange{method: http.MethodPut, in: s}, "v1", "services", service, "settings")
}

func (r *remote) catalog(ctx context.Context) (c Catalog, err error) {
	err = r.do(ctx, exchange{method: http.MethodGet, out: &c}, "v1", "services")
	return c, err
}

// names returns the services the registry has seen.
func (r *remote) names(ctx context.Context) ([]string, error) {
	var list struct {
		Services map[string]unread `json:"services"`
	}
	if err := r.do(ctx, exchange{method: http.MethodGet, out: &list}, "v1", "services"); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list.Services))
	for name := range list.Services {
		if ValidName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// unread is JSON of which nothing is kept.
type unread struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (*unread) UnmarshalJSON([]byte) error { return nil }

// watch returns an answer that is sound: a registry's, with all of it valid.
func (r *remote) watch(ctx context.Context, w Watch) (c Changes, err error) {
	err = r.do(ctx, exchange{method: http.MethodGet, out: &c, query: w.Query()}, "v1", "watch")
	if err == nil && c.Epoch == "" {
		err = fmt.Errorf("%s is not a registry: its answer has no epoch", strings.TrimSuffix(r.base.Redacted(), "/"))
	}
	if err == nil {
		if err = c.check(); err != nil {
			err = r.nonsense(http.MethodGet, "/v1/watch", err)
		}
	}
	return c, err
}

// Retries begin fast, for a fleet whose parts start together, and stay well within
// a lease, so that a registry that lost its memory learns of everyone in time.
const (
	firstPause = 50 * time.Millisecond
	maxPause   = time.Second
)

// pause returns how long to wait after the given number of failures in a row: a
// doubling bound, of which the upper half is random.
func pause(failures int) time.Duration {
	bound := min(firstPause<<min(max(failures-1, 0), 10), maxPause)
	return bound/2 + rand.N(bound/2)
}

// A registry has a hundred answers taken at once, then twenty a second: changes that
// come faster come together, and one that has news without end is borne.
const (
	paceBurst = 100
	paceEvery = 50 * time.Millisecond
)

// pace spaces answers out; the zero value is ready.
type pace struct{ next time.Time }

// take counts an answer and returns how long to wait before the next is asked for.
func (p *pace) take(now time.Time) time.Duration {
	if earliest := now.Add(-paceBurst * paceEvery); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(paceEvery)
	return max(p.next.Sub(now), 0)
}
