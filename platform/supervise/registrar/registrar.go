// Package registrar speaks to the registry on behalf of programs that do not: it
// puts, drains and deletes single instances. The protocol is that of package
// registry; its types are those of package discovery.
package registrar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// Registrar is safe for concurrent use. It does not retry: whoever beats comes
// again anyway.
type Registrar struct {
	base *url.URL
	http *http.Client
}

// New returns a Registrar for the registry at a URL such as http://127.0.0.1:8081.
func New(base string) (*Registrar, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("registry address %q: must be a URL such as http://127.0.0.1:8081", base)
	}
	// No connection is kept: one that a pool opened and had no use for would hold up
	// the end of the registry for five seconds (see http.Server.Shutdown). No proxy
	// from the environment: a registry is inside the fleet.
	return &Registrar{base: u, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}, nil
}

// Put registers an instance, or renews its lease.
func (r *Registrar) Put(ctx context.Context, in discovery.Instance) error {
	return r.do(ctx, http.MethodPut, in, "v1", "instances", in.ID)
}

// Delete removes an instance; one that is unknown is no error.
func (r *Registrar) Delete(ctx context.Context, id string) error {
	return r.do(ctx, http.MethodDelete, nil, "v1", "instances", id)
}

// Drain orders the state draining for an instance. The error's code is
// problem.NotFound when the registry does not know it.
func (r *Registrar) Drain(ctx context.Context, id string) error {
	return r.do(ctx, http.MethodPut, discovery.Order{State: discovery.Draining}, "v1", "instances", id, "state")
}

func (r *Registrar) do(ctx context.Context, method string, in any, path ...string) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("write a request to the registry: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base.JoinPath(path...).String(), body)
	if err != nil {
		return fmt.Errorf("write a request to the registry: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.http.Do(req)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	failed := problem.FromResponse(res)
	if err := errors.Join(failed, res.Body.Close()); err != nil {
		return fmt.Errorf("registry: %s %s: %w", method, req.URL.Path, err)
	}
	return nil
}
