package ctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/problem"
)

// ErrNoFleet is returned when no supervisor lives in the folder.
var ErrNoFleet = errors.New("no fleet runs here; start one with \"muster up\"")

// Refusal is an order that a supervisor did not carry out.
type Refusal struct{ Problem *problem.Error }

// Error says in one line why, and names each wrong field.
func (r *Refusal) Error() string {
	parts := []string{r.Problem.Message}
	for _, d := range r.Problem.Details {
		parts = append(parts, d.Field+": "+d.Reason)
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns the problem as the supervisor wrote it.
func (r *Refusal) Unwrap() error { return r.Problem }

// Details returns what the program that failed had printed.
func (r *Refusal) Details() []string {
	if out := r.Problem.Meta[outputKey]; out != "" {
		return strings.Split(out, "\n")
	}
	return nil
}

// Client speaks to the supervisor of one fleet. It is safe for concurrent use. All
// methods return ErrNoFleet when there is none, and a *Refusal when it says no.
type Client struct {
	dir  string
	http *http.Client
}

// NewClient returns a client for the fleet whose folder .muster is in dir.
func NewClient(dir string) *Client {
	path := Path(dir)
	return &Client{dir: dir, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true, // a command asks once
	}}}
}

// Status tells what runs.
func (c *Client) Status(ctx context.Context) (st supervise.Status, err error) {
	return st, c.do(ctx, http.MethodGet, "/v1/status", nil, &st)
}

// Environment returns the variables with which to start one more instance of a
// service by hand.
func (c *Client) Environment(ctx context.Context, service string) (env map[string]string, err error) {
	return env, c.do(ctx, http.MethodGet, "/v1/env?"+url.Values{"service": {service}}.Encode(), nil, &env)
}

// Scale makes a service have n instances; it returns when it has.
func (c *Client) Scale(ctx context.Context, service string, n int) error {
	return c.do(ctx, http.MethodPost, "/v1/scale", order{Service: service, Replicas: &n}, nil)
}

// Replace replaces all instances of a service in turn; it returns when they are.
func (c *Client) Replace(ctx context.Context, service string) error {
	return c.do(ctx, http.MethodPost, "/v1/replace", order{Service: service}, nil)
}

// ReplaceInstance replaces one instance; it returns when it is.
func (c *Client) ReplaceInstance(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, "/v1/replace", order{Instance: id}, nil)
}

// Kill kills an instance or an engine as if by accident.
func (c *Client) Kill(ctx context.Context, id string) error {
	return c.do(ctx, http.MethodPost, "/v1/kill", order{Instance: id}, nil)
}

// KillFor is Kill, and the victim stays away for so long.
func (c *Client) KillFor(ctx context.Context, id string, away time.Duration) error {
	return c.do(ctx, http.MethodPost, "/v1/kill", order{Instance: id, For: away.String()}, nil)
}

// Upgrade puts a new process in the place of an engine that runs, from the binary at
// program, "" its present one, without a gap; it returns when the new one serves.
func (c *Client) Upgrade(ctx context.Context, engine, program string) error {
	return c.do(ctx, http.MethodPost, "/v1/upgrade", order{Engine: engine, Program: program}, nil)
}

// Down stops the fleet; it returns when all of it has stopped.
func (c *Client) Down(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/v1/down", nil, nil)
}

// Tail asks for lines.
type Tail struct {
	Service string // or engine; "" is all
	Lines   int    // how many of the past
	Follow  bool   // and then each new one, until ctx ends or the fleet does
}

// Logs hands lines to each, in order, until there are no more or each returns an
// error, which Logs then returns. A ctx that ends is no error when following.
func (c *Client) Logs(ctx context.Context, t Tail, each func(logs.Line) error) error {
	q := url.Values{"service": {t.Service}, "tail": {strconv.Itoa(t.Lines)}, "follow": {strconv.FormatBool(t.Follow)}}
	res, err := c.send(ctx, http.MethodGet, "/v1/logs?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	for decoder := json.NewDecoder(res.Body); ; {
		var line logs.Line
		err := decoder.Decode(&line)
		switch {
		case errors.Is(err, io.EOF), err != nil && t.Follow:
			return nil // the fleet has ended, or nobody wants more
		case err != nil:
			return fmt.Errorf("read the logs: %w", err)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	res, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(out); err != nil {
		return fmt.Errorf("read the supervisor's answer: %w", err)
	}
	return nil
}

// send sends a request and returns a good answer; the caller closes its body.
func (c *Client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write an order: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://muster"+path, body)
	if err != nil {
		return nil, fmt.Errorf("write an order: %w", err)
	}
	res, err := c.http.Do(req)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%s: %w", c.dir, ErrNoFleet)
	case err != nil:
		return nil, fmt.Errorf("speak to the supervisor: %w", err)
	}
	err = problem.FromResponse(res)
	if err == nil {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }() // what it held is in err
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return nil, &Refusal{Problem: p}
	}
	return nil, err
}
