package gateways

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// client asks a proxy, over a connection of its own each time.
func client() *http.Client {
	return &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, //nolint:gosec // our own certificate, for a minute
	}
}

// startWithin bounds how long a process takes to answer.
const startWithin = 10 * time.Second

// answers asks a process until it answers 200, and returns how long after its start that was. It
// asks in the clear or by TLS, each millisecond.
func (p *process) answers(ctx context.Context, url string, fields ...string) (time.Duration, error) {
	c := client()
	for {
		status, _, err := ask(ctx, c, url, fields...)
		if err == nil && status == http.StatusOK {
			return time.Since(p.began), nil
		}
		if err == nil {
			err = fmt.Errorf("status %d", status)
		}
		if time.Since(p.began) > startWithin {
			return 0, fmt.Errorf("%s does not answer 200 at %s: %w; it says: %s", p.name, url, err, p.said())
		}
		select {
		case err := <-p.ended:
			p.ended <- err
			return 0, fmt.Errorf("%s ended: %w; it says: %s", p.name, err, p.said())
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// ask sends a GET with fields, a name and a value each.
func ask(ctx context.Context, c *http.Client, url string, fields ...string) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// right looks whether a proxy does what is measured: the bodies are whole, the upstream is told
// who asks and not what a client makes up, and who has no good token does not get in.
func (w *world) right(ctx context.Context, p *proxy, of work) error {
	c := client()
	var login []string
	if of.Full {
		login = []string{"Authorization", "Bearer " + w.tokens[0]}
	}
	want := sha256.Sum256(content(sizes()[strings.TrimPrefix(of.path, "/")]))
	status, body, err := ask(ctx, c, p.url+of.path, login...)
	if err != nil {
		return err
	}
	if status != http.StatusOK || sha256.Sum256(body) != want {
		return fmt.Errorf("the answer is not the upstream's file: status %d, %d bytes", status, len(body))
	}
	status, body, err = ask(ctx, c, p.url+"/forwarded", append([]string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-Host", "other.example"}, login...)...)
	if err != nil {
		return err
	}
	scheme, host, _ := strings.Cut(p.url, "://")
	if told := fmt.Sprintf("127.0.0.1 %s %s", scheme, host); status != http.StatusOK || string(body) != told {
		return fmt.Errorf("the upstream is told %q, not %q: status %d", body, told, status)
	}
	if !of.Full {
		return nil
	}
	var errs []error
	for what, t := range w.bad {
		status, _, err := ask(ctx, c, p.url+of.path, "Authorization", "Bearer "+t)
		if status != http.StatusUnauthorized {
			errs = append(errs, err, fmt.Errorf("a token that is %s is answered %d, not 401", what, status))
		}
	}
	return errors.Join(errs...)
}
