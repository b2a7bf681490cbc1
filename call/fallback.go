package call

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/internal/body"
	"github.com/musterdev/muster/call/internal/keep"
	"github.com/musterdev/muster/call/internal/link"
	"github.com/musterdev/muster/call/internal/pool"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// FallbackHeader marks an answer that stands in for one that could not be had: "last
// good", with its Age in seconds (RFC 9111, 5.1), or "value".
const FallbackHeader = "Muster-Fallback"

// withFallback makes a safe call whose answer something may stand in for: where the
// service cannot be reached, is too slow, overloaded or broken.
func (c *Caller) withFallback(r *http.Request, op Op, to *pool.Target) (*http.Response, error) {
	began := time.Now()
	ctx, cancel := context.WithCancel(r.Context())
	res, err := c.roundTrip(r.WithContext(ctx), op, to)
	bad := err == nil && (res.StatusCode >= http.StatusInternalServerError || link.Outcome(res) != balance.OK)
	switch {
	case bad:
		err = problem.New(problem.Unavailable, "service %q answered %d", op.Service, res.StatusCode)
	case err == nil:
		a := &keep.Answer{Service: op.Service, Request: r, In: to.Fallback, Cancel: cancel}
		if err = a.Take(res, to.Until(r.Context(), began)); err == nil {
			return res, nil
		}
	}
	answer, none := to.Fallback.Instead(r.Context(), time.Now(), to.Fallback.Question(r), err)
	switch {
	case none != nil && bad: // the service's own word
		res.Body = body.Then(res.Body, cancel)
		return res, nil
	case bad:
		_ = res.Body.Close()
	}
	cancel()
	if none != nil {
		return nil, err
	}
	return standIn(r, answer), nil
}

// standIn returns an answer in place of the service's.
func standIn(r *http.Request, answer resilience.Answer[pool.Kept]) *http.Response {
	res := &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: answer.Value.Header.Clone(), Body: io.NopCloser(bytes.NewReader(answer.Value.Body)), ContentLength: int64(len(answer.Value.Body)),
	}
	res.Header.Set(FallbackHeader, answer.From.String())
	if answer.From == resilience.FromLastGood {
		res.Header.Set("Age", strconv.FormatInt(int64(answer.Age/time.Second), 10))
	}
	return res
}
