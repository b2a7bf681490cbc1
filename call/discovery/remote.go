package discovery

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/musterdev/muster/problem"
)

const (
	maxAnswer = 64 << 20        // bytes read of a registry's answer
	dialTime  = 2 * time.Second // to reach a registry's host
)

// remote speaks the registry's protocol.
type remote struct {
	base *url.URL
	http *http.Client
	own  *http.Transport // closed with the client; nil when the transport was given
}

func newRemote(base string, client *http.Client) (*remote, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("registry address %q: must be a URL such as http://127.0.0.1:8081", base)
	}
	r := &remote{base: u, http: client}
	if client == nil {
		// The watch and the beats take one connection each. No proxy from the
		// environment: a registry is inside the fleet.
		r.own = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTime}).DialContext,
			MaxIdleConnsPerHost: 16, // a supervisor beats for many
			IdleConnTimeout:     time.Minute,
		}
		r.http = &http.Client{Transport: r.own}
	}
	return r, nil
}

func (r *remote) close() {
	if r.own != nil {
		r.own.CloseIdleConnections()
	}
}

// do makes one exchange; in and out are JSON and may be nil. The URL's path is
// base's followed by the elements.
func (r *remote) do(ctx context.Context, method string, in, out any, query url.Values, elements ...string) error {
	u := r.base.JoinPath(elements...)
	u.RawQuery = query.Encode()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("write a request to the registry: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return fmt.Errorf("write a request to the registry: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // the answer was read
	if err := problem.FromResponse(res); err != nil {
		return fmt.Errorf("registry: %s %s: %w", method, u.Path, err)
	}
	if out == nil {
		return nil
	}
	limited := &io.LimitedReader{R: res.Body, N: maxAnswer}
	if err := json.NewDecoder(limited).Decode(out); err != nil {
		if limited.N <= 0 {
			err = fmt.Errorf("it is larger than %d bytes", maxAnswer)
		}
		return fmt.Errorf("read the registry's answer to %s %s: %w", method, u.Path, err)
	}
	return nil
}

func (r *remote) put(ctx context.Context, in Instance) (reg Registration, err error) {
	err = r.do(ctx, http.MethodPut, in, &reg, nil, "v1", "instances", in.ID)
	return reg, err
}

func (r *remote) remove(ctx context.Context, id string) error {
	return r.do(ctx, http.MethodDelete, nil, nil, nil, "v1", "instances", id)
}

func (r *remote) order(ctx context.Context, id string, state State) error {
	return r.do(ctx, http.MethodPut, Order{State: state}, nil, nil, "v1", "instances", id, "state")
}

func (r *remote) set(ctx context.Context, service string, s Settings) error {
	if len(s) == 0 {
		return r.do(ctx, http.MethodDelete, nil, nil, nil, "v1", "services", service, "settings")
	}
	return r.do(ctx, http.MethodPut, s, nil, nil, "v1", "services", service, "settings")
}

func (r *remote) catalog(ctx context.Context) (c Catalog, err error) {
	err = r.do(ctx, http.MethodGet, nil, &c, nil, "v1", "services")
	return c, err
}

func (r *remote) watch(ctx context.Context, w Watch) (c Changes, err error) {
	err = r.do(ctx, http.MethodGet, nil, &c, w.Query(), "v1", "watch")
	if err == nil && c.Epoch == "" {
		err = fmt.Errorf("%s is not a registry: its answer has no epoch", strings.TrimSuffix(r.base.String(), "/"))
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
