package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/musterdev/muster/webhook/guard"
)

// The bounds of an answer, whatever its endpoint does.
const (
	mostHeader = 16 << 10    // bytes
	mostBody   = 64 << 10    // bytes that are read at all, so that the connection can be used again
	mostAnswer = 500         // bytes that are kept
	linger     = time.Second // for the body: what counts is said by the status, and has come
)

// client posts to addresses that the guard lets be, each request by itself: no cookies,
// no redirects, no proxy that would dial in its place.
func client(g guard.Guard, c Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: g.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
			MaxIdleConns: c.Workers, MaxIdleConnsPerHost: c.PerEndpoint, MaxConnsPerHost: c.Workers, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: mostHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// letter is one delivery as it is posted.
type letter struct {
	url     string
	id      string // webhook-id
	body    []byte
	secrets []Secret
}

// post makes one attempt and never fails: what happened is in the answer.
func (w *Webhooks) post(ctx context.Context, l letter) (a answer) {
	began := time.Now()
	defer func() { a.took = time.Since(began) }()
	late := fmt.Errorf("no answer within %s", w.c.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, w.c.Timeout, late)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(l.body))
	if err != nil {
		return answer{err: err.Error()}
	}
	var signatures []string
	for _, s := range l.secrets {
		text, err := Sign(s, l.id, began, l.body)
		if err != nil {
			return answer{err: err.Error()}
		}
		signatures = append(signatures, text)
	}
	h := req.Header
	h.Set("Content-Type", contentType)
	h.Set("User-Agent", "muster-webhooks")
	h.Set(HeaderID, l.id)
	h.Set(HeaderTimestamp, fmt.Sprint(began.Unix()))
	h.Set(HeaderSignature, strings.Join(signatures, " "))
	res, err := w.client.Do(req)
	if err != nil {
		return answer{err: why(ctx, err)}
	}
	defer res.Body.Close()
	a = answer{status: res.StatusCode, retry: retryAfter(res.StatusCode, res.Header, time.Now(), w.c.RetryAfter)}
	a.body = read(res.Body, cancel)
	if a.status/100 != 2 {
		a.err = "it answered " + http.StatusText(a.status)
		if to := res.Header.Get("Location"); a.status/100 == 3 {
			a.err = fmt.Sprintf("it answered with a redirect to %.200q, which is not followed: register that URL", to)
		} else if http.StatusText(a.status) == "" {
			a.err = fmt.Sprintf("it answered %d", a.status)
		}
	}
	return a
}

// read reads an answer's body for as long as it is bearable and returns its beginning.
func read(body io.Reader, cancel context.CancelFunc) string {
	enough := time.AfterFunc(linger, cancel)
	defer enough.Stop()
	var begin strings.Builder
	_, _ = io.CopyN(&begin, body, mostAnswer)              // it may be shorter, or end in the middle
	_, _ = io.CopyN(io.Discard, body, mostBody-mostAnswer) // as above
	return strings.ToValidUTF8(strings.ReplaceAll(begin.String(), "\x00", ""), "")
}

// why says in a line why there was no answer.
func why(ctx context.Context, err error) string {
	if ctx.Err() != nil {
		return context.Cause(ctx).Error()
	}
	if asked, ok := errors.AsType[*url.Error](err); ok { // without the URL, which is known
		err = asked.Err
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "")
	return text[:min(len(text), mostAnswer)]
}
