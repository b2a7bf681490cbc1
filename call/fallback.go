package call

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// FallbackHeader marks an answer that stands in for one that could not be had: "last
// good", with its Age in seconds (RFC 9111, 5.1), or "value".
const FallbackHeader = "Muster-Fallback"

// maxKept is the largest body that is kept as a last good answer, in bytes.
const maxKept = 1 << 20

// kept is an answer that can be given again.
type kept struct {
	header http.Header
	body   []byte
}

// newFallback returns what stands in for answers; nil when nothing does.
func newFallback(s *resilience.FallbackSettings) *resilience.Fallback[kept] {
	if s == nil {
		return nil
	}
	f := &resilience.Fallback[kept]{LastGood: s.LastGood, Entries: s.Entries}
	if s.Value != "" {
		f.Value = &kept{header: http.Header{"Content-Type": {http.DetectContentType([]byte(s.Value))}}, body: []byte(s.Value)}
		if strings.HasPrefix(s.Value, "{") || strings.HasPrefix(s.Value, "[") {
			f.Value.header.Set("Content-Type", "application/json")
		}
	}
	return f
}

// withFallback makes a safe call whose answer something may stand in for: where the
// service cannot be reached, is too slow, overloaded or broken.
func (c *Caller) withFallback(r *http.Request, op Op, to *target) (*http.Response, error) {
	var bad *http.Response // an answer that says that there is none
	answer, err := to.fallback.Do(r.Context(), question(r), func(context.Context) (kept, error) {
		res, err := c.roundTrip(r, op, to)
		if err != nil {
			return kept{}, err
		}
		if res.StatusCode >= http.StatusInternalServerError || httpOutcome(res) != balance.OK {
			bad = res
			return kept{}, problem.New(problem.Unavailable, "service %q answered %d", op.Service, res.StatusCode)
		}
		body, err := io.ReadAll(io.LimitReader(res.Body, maxKept+1))
		if err == nil && len(body) <= maxKept && res.StatusCode == http.StatusOK && !strings.Contains(res.Header.Get("Cache-Control"), "no-store") {
			_ = res.Body.Close() // it was read to its end
			return kept{header: res.Header, body: body}, nil
		}
		if err == nil { // too large to keep, or nothing to give twice
			res.Body = &rest{Reader: io.MultiReader(bytes.NewReader(body), res.Body), Closer: res.Body}
			bad = res
			return kept{}, errPassed
		}
		_ = res.Body.Close()
		return kept{}, problem.Wrap(err, problem.Unavailable, "the answer of service %q broke off", op.Service)
	})
	switch {
	case errors.Is(err, errPassed):
		return bad, nil
	case err != nil && bad != nil: // nothing stands in: the service's own word
		return bad, nil
	case err != nil:
		return nil, err
	}
	if bad != nil {
		_ = bad.Body.Close()
	}
	res := &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: answer.Value.header.Clone(), Body: io.NopCloser(bytes.NewReader(answer.Value.body)), ContentLength: int64(len(answer.Value.body)),
	}
	if answer.Degraded() {
		res.Header.Set(FallbackHeader, answer.From.String())
		if answer.From == resilience.FromLastGood {
			res.Header.Set("Age", strconv.FormatInt(int64(answer.Age/time.Second), 10))
		}
	}
	return res, nil
}

// errPassed is an answer that is passed on and not kept. Its code keeps a fallback out.
var errPassed = problem.New(problem.NotFound, "an answer that is not kept")

type rest struct {
	io.Reader
	io.Closer
}

// question tells two calls apart whose answers may differ: nobody gets an answer that
// was given to somebody else.
func question(r *http.Request) string {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.URL.RequestURI())
	for _, name := range []string{"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cookie", "Range"} {
		for _, v := range r.Header[name] {
			b.WriteString("\x00" + name + "\x00" + v)
		}
	}
	return b.String()
}

// fallsBack reports whether something may stand in for the call's answer: it changes
// nothing and has a body that can be given again.
func (t *target) fallsBack(r *http.Request) bool {
	return t.fallback != nil && r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" && r.Header.Get("Range") == ""
}
