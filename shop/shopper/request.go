package shopper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

const (
	patience  = 15 * time.Second       // for a final answer, all repetitions together
	perTry    = 5 * time.Second        // for one attempt's answer
	firstWait = 50 * time.Millisecond  // before the first repetition, with full jitter; doubles
	longest   = 800 * time.Millisecond // of those waits
	maxAnswer = 1 << 20                // bytes
)

// request is what a shopper asks for, and what it expects.
type request struct {
	method, path string
	body         any
	key          string // Idempotency-Key
	etag         string // If-None-Match
	want         []int  // statuses
	// check judges an answer whose status is wanted; nil: no more is expected.
	check func(answer) error
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask makes a request, repeats it where that is safe and needed, counts it, and
// reports whether the final answer was the expected one. After a false the visit is over.
func (v *visit) ask(q request) bool {
	if v.over {
		return false
	}
	sleep(v.open, time.Duration(float64(v.think)*(0.5+v.random.Float64())))
	v.pace.wait(v.open)
	if v.over = v.open.Err() != nil; v.over {
		return false
	}
	began := time.Now()
	tries, err := v.persist(q)
	if v.over = err != nil; v.ctx.Err() != nil && v.over {
		return false // cut off: it says nothing about the shop
	}
	v.tally.Requests++
	if err != nil {
		v.tally.Failed++
		if len(v.tally.Failures) < maxFailures {
			v.tally.Failures = append(v.tally.Failures, fmt.Sprintf("%s %s: %v (attempts: %d in %s)",
				q.method, q.path, err, tries, time.Since(began).Round(time.Millisecond)))
		}
		return false
	}
	_ = v.times.RecordValue(max(1, time.Since(began).Microseconds())) // bounded far above patience
	return true
}

// persist makes attempts until an answer is final or patience is at its end.
func (v *visit) persist(q request) (tries int, err error) {
	ctx, cancel := context.WithTimeout(v.ctx, patience)
	defer cancel()
	repeat := q.method != http.MethodPost && q.method != http.MethodPatch || q.key != ""
	for wait := firstWait; ; wait = min(2*wait, longest) {
		tries++
		a, err := v.attempt(ctx, q)
		if err == nil && !passing(a) {
			return tries, judge(q, a)
		}
		if err == nil {
			err = unexpected(a)
		}
		pause := max(time.Duration(v.random.Int64N(int64(wait))), retryAfter(a))
		if deadline, _ := ctx.Deadline(); !repeat && !unsent(err) || time.Until(deadline) < pause {
			return tries, err
		}
		sleep(ctx, pause)
		if v.ctx.Err() != nil {
			return tries, err
		}
	}
}

// unsent reports whether a request failed before any of it was sent.
func unsent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

func (v *visit) attempt(ctx context.Context, q request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, perTry)
	defer cancel()
	var body io.Reader
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return answer{}, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, q.method, v.base+q.path, body)
	if err != nil {
		return answer{}, err
	}
	for name, value := range map[string]string{"Idempotency-Key": q.key, "If-None-Match": q.etag} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := v.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("status %d, then the body broke off: %w", res.StatusCode, err)
	}
	return answer{res.StatusCode, res.Header, text}, nil
}

// passing reports whether an answer says that a later attempt may be answered
// otherwise: a fault on the way, a limit, or the same key under way.
func passing(a answer) bool {
	switch a.status {
	case http.StatusConflict:
		return a.header.Get("Retry-After") != ""
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusTooEarly:
		return true
	}
	return a.status >= 500
}

func judge(q request, a answer) error {
	if !slices.Contains(q.want, a.status) {
		return unexpected(a)
	}
	if q.check != nil {
		return q.check(a)
	}
	return nil
}

func unexpected(a answer) error {
	return fmt.Errorf("status %d: %s", a.status, bytes.TrimSpace(a.body[:min(len(a.body), 300)]))
}

// retryAfter returns the pause an answer asks for, in seconds, 0 for none.
func retryAfter(a answer) time.Duration {
	n, err := strconv.Atoi(a.header.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Second
}

// read makes a check that decodes the answer into v and then asks ok.
func read[T any](into *T, ok func() error) func(answer) error {
	return func(a answer) error {
		if err := json.Unmarshal(a.body, into); err != nil {
			return fmt.Errorf("the answer is not the JSON expected: %w", err)
		}
		return ok()
	}
}

// that turns a condition into a check's verdict.
func that(holds bool, otherwise string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(otherwise, args...)
}
