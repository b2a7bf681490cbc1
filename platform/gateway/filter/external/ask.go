package external

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/require"
)

// ask asks once. The error is errAway, or that of the client who went away.
func (f *Filter) ask(ctx context.Context, r *filter.Request) (*decision, error) {
	select {
	case f.places <- struct{}{}:
		defer func() { <-f.places }()
	default:
		f.asked.WithLabelValues("too_many").Inc()
		// Not errAway: who floods the edge does not get in by that.
		return nil, fmt.Errorf("%d questions are under way", cap(f.places))
	}
	permit, err := f.breaker.Allow(time.Now())
	if err != nil {
		f.asked.WithLabelValues("not_asked").Inc()
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	d, err := f.question(ctx, r)
	switch {
	case err == nil:
		permit.Done(time.Now(), false)
	case ctx.Err() != nil:
		permit.Ignore()
		return nil, err
	default:
		permit.Done(time.Now(), true)
		f.asked.WithLabelValues("no_answer").Inc()
		return nil, fmt.Errorf("%w: %w", errAway, err)
	}
	outcome := "let_in"
	if d.refusal != nil {
		outcome = "refused"
	}
	f.asked.WithLabelValues(outcome).Inc()
	return d, nil
}

func (f *Filter) question(ctx context.Context, r *filter.Request) (*decision, error) {
	within, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	q, err := http.NewRequestWithContext(within, http.MethodGet, f.cfg.URL, nil)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Concat(f.cfg.Send, []string{"Traceparent", "X-Request-Id"}) {
		for _, v := range r.Fields.Values(name) {
			q.Header.Add(name, strings.Clone(v)) // the transport may hold it for longer than the request is
		}
	}
	uri := (&url.URL{Path: r.Path}).EscapedPath()
	if r.Query != "" {
		uri += "?" + r.Query
	}
	for name, v := range map[string]string{
		"X-Forwarded-Method": r.Method, "X-Forwarded-Proto": scheme(r), "X-Forwarded-Host": r.Host, "X-Forwarded-Uri": uri,
	} {
		q.Header.Set(name, strings.Clone(v))
	}
	if r.Client.IsValid() {
		q.Header.Set("X-Forwarded-For", r.Client.String())
	}
	if r.ID != "" {
		q.Header.Set("X-Request-Id", strings.Clone(r.ID))
	}
	res, err := f.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	return f.read(res, body)
}

// read makes a decision of an answer.
func (f *Filter) read(res *http.Response, body []byte) (*decision, error) {
	d := &decision{remember: !strings.Contains(strings.ToLower(res.Header.Get("Cache-Control")), "no-store") && len(res.Header["Set-Cookie"]) == 0}
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return d, f.letIn(d, res.Header)
	case !slices.Contains([]int{401, 403, 429, 302, 303, 307}, res.StatusCode):
		return nil, fmt.Errorf("answered with %s, which says nothing of the request", res.Status)
	}
	d.remember = d.remember && (res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden)
	d.refusal = &filter.Answer{Status: res.StatusCode}
	copied(&d.refusal.Header, res.Header, f.cfg.Reply)
	if len(body) > 0 && len(body) <= maxBody {
		d.refusal.Body = body
		copied(&d.refusal.Header, res.Header, []string{"Content-Type"})
	}
	if res.StatusCode == http.StatusUnauthorized && d.refusal.Header.Get("WWW-Authenticate") == "" {
		d.refusal.Header.Set("WWW-Authenticate", "Bearer") // a 401 must name a challenge (RFC 9110, 15.5.2)
	}
	return d, nil
}

// letIn reads who asks, and what the service is told.
func (f *Filter) letIn(d *decision, answer http.Header) error {
	copied(&d.told, answer, f.cfg.Take)
	id := ""
	if f.cfg.Subject != "" {
		id = answer.Get(f.cfg.Subject)
	}
	if id == "" {
		return nil
	}
	if !filter.ValidValue(id) || len(answer.Values(f.cfg.Subject)) > 1 {
		return fmt.Errorf("answered with more than one subject, or one that cannot be told, in %s", f.cfg.Subject)
	}
	d.subject = filter.Subject{ID: id, By: "external"}
	if f.cfg.Scopes != "" {
		for s := range strings.FieldsSeq(answer.Get(f.cfg.Scopes)) {
			if require.Scope(s) {
				d.subject.Scopes = append(d.subject.Scopes, s)
			}
		}
	}
	return nil
}

// copied adds the named fields of an answer, so far as they can be told.
func copied(to *filter.Header, from http.Header, names []string) {
	for _, name := range names {
		for _, v := range from.Values(name) {
			if filter.ValidValue(v) {
				to.Add(name, v)
			}
		}
	}
}
