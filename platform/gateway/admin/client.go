package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/musterdev/muster/call/seen"
	"github.com/musterdev/muster/platform/gateway/l4"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/problem"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 16 << 20

// Client speaks to an edge through its socket. It is safe for concurrent use. Its
// errors are *problem.Error; the code is Unavailable when no edge is there.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client of the edge whose admin socket has this path. It
// connects for each call, as an edge may be started anew between two.
func NewClient(socket string) *Client {
	dialer := &net.Dialer{}
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}}
}

// SetRoutes has the edge take routes without filters into use, see [Client.SetDocument].
func (c *Client) SetRoutes(ctx context.Context, routes []route.Route) error {
	return c.SetDocument(ctx, snapshot.Document{Routes: routes})
}

// SetDocument has the edge take new routes and filters into use and keep them over
// restarts. The old ones stay when the edge refuses these, with InvalidArgument.
func (c *Client) SetDocument(ctx context.Context, doc snapshot.Document) error {
	if doc.Routes == nil {
		doc.Routes = []route.Route{}
	}
	return c.call(ctx, http.MethodPut, "/v1/routes", doc, nil)
}

// Routes returns the routes in use.
func (c *Client) Routes(ctx context.Context) ([]route.Route, error) {
	doc, err := c.Document(ctx)
	return doc.Routes, err
}

// Document returns the routes and filters in use.
func (c *Client) Document(ctx context.Context) (doc snapshot.Document, err error) {
	err = c.call(ctx, http.MethodGet, "/v1/routes", nil, &doc)
	return doc, err
}

// SetTCP has the edge accept connections at these addresses and no others, and keep that
// over restarts. Connections that are open stay. The old ports stay when the edge refuses
// these: with InvalidArgument, or with Unavailable when an address is taken.
func (c *Client) SetTCP(ctx context.Context, ports map[string]l4.Routes) error {
	if ports == nil {
		ports = map[string]l4.Routes{}
	}
	return c.call(ctx, http.MethodPut, "/v1/tcp", TCP{Ports: ports}, nil)
}

// TCP returns how the ports of connections stand, by number.
func (c *Client) TCP(ctx context.Context) ([]Port, error) {
	var list []Port
	err := c.call(ctx, http.MethodGet, "/v1/tcp", nil, &list)
	return list, err
}

// Drain has the edge choose an instance no more and waits until nothing of it is in
// flight there. It returns nil then, and for an instance the edge does not know.
// Whatever is in flight at ctx's deadline, or after MaxWait, is a DeadlineExceeded
// error; the instance stays out.
func (c *Client) Drain(ctx context.Context, instance string) error {
	wait := MaxWait
	if at, ok := ctx.Deadline(); ok {
		wait = max(0, min(wait, time.Until(at)-answerTime))
	}
	var d Drained
	path := "/v1/drain/" + url.PathEscape(instance) + "?wait=" + wait.Truncate(time.Millisecond).String()
	if err := c.call(ctx, http.MethodPost, path, nil, &d); err != nil {
		return err
	}
	if d.InFlight > 0 {
		return problem.New(problem.DeadlineExceeded, "instance %q still has %d requests of the edge in flight after %s", instance, d.InFlight, wait)
	}
	return nil
}

// Status returns what the edge knows of itself.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Calls returns how the calls of the edge to the services stand.
func (c *Client) Calls(ctx context.Context) (seen.Process, error) {
	var s seen.Process
	err := c.call(ctx, http.MethodGet, "/v1/calls", nil, &s)
	return s, err
}

// answerTime is left of a deadline for the answer to come back.
const answerTime = 50 * time.Millisecond

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return problem.Wrap(err, problem.Internal, "the request to the edge cannot be written")
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://edge"+path, body)
	if err != nil {
		return problem.Wrap(err, problem.InvalidArgument, "the request to the edge cannot be made")
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return problem.Wrap(err, problem.CodeOf(ctx.Err()), "the edge did not answer in time")
		}
		return problem.Wrap(err, problem.Unavailable, "no edge answers at %s", c.socket)
	}
	defer res.Body.Close()
	if err := problem.FromResponse(res); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(out); err != nil {
		return problem.Wrap(err, problem.Internal, "the answer of the edge cannot be read")
	}
	return nil
}
