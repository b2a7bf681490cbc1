package see

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

// AwayError is why nobody was asked: control does not answer.
type AwayError struct {
	URL string
	Err error
}

// Error says it in one line.
func (e *AwayError) Error() string {
	why := e.Err
	if inner, ok := errors.AsType[*url.Error](why); ok {
		why = inner.Err
	}
	if inner, ok := errors.AsType[*net.OpError](why); ok {
		why = inner.Err
	}
	return fmt.Sprintf("control does not answer at %s: %v: see muster ps and muster logs control", e.URL, why)
}

// Unwrap returns what happened.
func (e *AwayError) Unwrap() error { return e.Err }

// Client asks one address. It is safe for concurrent use. Methods fail with an *AwayError
// where nobody answers, else with what was answered, as a *problem.Error.
type Client struct {
	url  string
	http *http.Client
}

// answerWithin is how long an answer may take to begin; the server's own bound is 10 s.
const answerWithin = 20 * time.Second

// mostAnswer bounds an answer: a trace of some hundred thousand spans.
const mostAnswer = 1 << 30

// NewClient returns a client of an address such as http://127.0.0.1:8081. It fails for
// what is no such address.
func NewClient(address string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is no address such as http://127.0.0.1:8081", address)
	}
	u.RawQuery, u.Fragment = "", ""
	return &Client{url: strings.TrimRight(u.String(), "/"), http: &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: answerWithin,
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}}}, nil
}

// Traces lists traces; see query.Traces for the parameters.
func (c *Client) Traces(ctx context.Context, q url.Values) (t query.Traces, err error) {
	return t, c.get(ctx, "traces", q, &t)
}

// Trace returns one trace.
func (c *Client) Trace(ctx context.Context, id signal.TraceID) (t query.Trace, err error) {
	return t, c.get(ctx, "traces/"+id.String(), nil, &t)
}

// IDs returns traces whose ids begin with these digits.
func (c *Client) IDs(ctx context.Context, digits string) (ids query.IDs, err error) {
	return ids, c.get(ctx, "ids/"+url.PathEscape(digits), nil, &ids)
}

// Logs lists log records; see query.Logs for the parameters.
func (c *Client) Logs(ctx context.Context, q url.Values) (l query.Logs, err error) {
	return l, c.get(ctx, "logs", q, &l)
}

// Map returns the map of a time before now.
func (c *Client) Map(ctx context.Context, window time.Duration) (m query.Map, err error) {
	return m, c.get(ctx, "map", url.Values{"window": {window.String()}}, &m)
}

// Why returns why a trace took as long as it did.
func (c *Client) Why(ctx context.Context, id signal.TraceID) (w query.Why, err error) {
	return w, c.get(ctx, "why/"+id.String(), nil, &w)
}

func (c *Client) get(ctx context.Context, path string, q url.Values, into any) error {
	res, err := c.send(ctx, path, q)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if err := json.NewDecoder(io.LimitReader(res.Body, mostAnswer)).Decode(into); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("what %s answers is not what control answers: %w", c.url, err)
	}
	return nil
}

// send returns a good answer; the caller closes its body.
func (c *Client) send(ctx context.Context, path string, q url.Values) (*http.Response, error) {
	address := c.url + "/v1/telemetry/" + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Do(req)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, &AwayError{c.url, err}
	}
	if err := problem.FromResponse(res); err != nil {
		_ = res.Body.Close() // what it held is in err
		if problem.CodeOf(err) == problem.NotFound && (path == "logs/stream" || !strings.Contains(path, "/")) {
			return nil, problem.New(problem.NotFound, "what answers at %s is neither control nor a muster dashboard", c.url) // they know all lists
		}
		return nil, err
	}
	return res, nil
}
