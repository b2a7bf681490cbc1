package shopper

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a RoundTripper without a network, so that time can be faked.
type wire func(*http.Request) (*http.Response, error)

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return f(r)
}

func reply(status int, header ...string) (*http.Response, error) {
	res := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{}`))}
	for i := 0; i < len(header); i += 2 {
		res.Header.Set(header[i], header[i+1])
	}
	return res, nil
}

func newVisit(ctx context.Context, f wire) *visit {
	s := newShopper(Config{URL: "http://shop", Client: &http.Client{Transport: f}}, newPace(0), 0, true)
	return &visit{shopper: s, ctx: ctx, open: ctx}
}

func TestARequestIsRepeatedOnlyWhereThatIsSafeAndNeeded(t *testing.T) {
	get := request{method: "GET", path: "/", want: []int{200}}
	keyed := request{method: "POST", path: "/", key: "k", want: []int{201}}
	bare := request{method: "POST", path: "/", want: []int{201}}
	type script []func() (*http.Response, error)
	lost := func() (*http.Response, error) { return nil, errors.New("connection reset") }
	refused := func() (*http.Response, error) { return nil, &net.OpError{Op: "dial", Err: errors.New("refused")} }
	is := func(status int, header ...string) func() (*http.Response, error) {
		return func() (*http.Response, error) { return reply(status, header...) }
	}
	tests := []struct {
		name  string
		q     request
		shop  script // the last one stays
		tries int
		ok    bool
	}{
		{"at once", get, script{is(200)}, 1, true},
		{"GET after a lost answer", get, script{lost, is(200)}, 2, true},
		{"POST with a key after a lost answer", keyed, script{lost, lost, is(201)}, 3, true},
		{"POST without a key after a lost answer", bare, script{lost, is(201)}, 1, false},
		{"POST without a key that nobody was there for", bare, script{refused, refused, is(201)}, 3, true},
		{"PATCH without a key", request{method: "PATCH", path: "/", want: []int{200}}, script{is(503), is(200)}, 1, false},
		{"overload", keyed, script{is(429), is(503), is(500), is(201)}, 4, true},
		{"under way", keyed, script{is(409, "Retry-After", "1"), is(201)}, 2, true},
		{"refused", keyed, script{is(409), is(201)}, 1, false},
		{"not found", get, script{is(404), is(200)}, 1, false},
		{"another success than the one wanted", keyed, script{is(200)}, 1, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				v := newVisit(t.Context(), func(r *http.Request) (*http.Response, error) {
					if r.Header.Get("Idempotency-Key") != tc.q.key {
						t.Errorf("attempt %d has the key %q", tries, r.Header.Get("Idempotency-Key"))
					}
					tries++
					return tc.shop[min(tries, len(tc.shop))-1]()
				})
				if ok := v.ask(tc.q); ok != tc.ok || tries != tc.tries {
					t.Errorf("answered %t after %d attempts, want %t after %d: %v", ok, tries, tc.ok, tc.tries, v.tally.Failures)
				}
				if v.tally.Requests != 1 || v.tally.Failed != map[bool]int{true: 0, false: 1}[tc.ok] || v.over == tc.ok {
					t.Errorf("tally %+v, over %t", v.tally, v.over)
				}
			})
		})
	}
}

func TestRetryAfterIsHonouredAndPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		v := newVisit(t.Context(), func(*http.Request) (*http.Response, error) {
			at = append(at, time.Since(began))
			return reply(http.StatusServiceUnavailable, "Retry-After", "4")
		})
		if v.ask(request{method: "GET", path: "/", want: []int{200}}) {
			t.Error("503 for ever was a success")
		}
		if len(at) != 4 || at[1] < 4*time.Second || at[3] > patience {
			t.Errorf("attempts at %v, want four, 4 s apart, within %s", at, patience)
		}
		if len(v.tally.Failures) != 1 || !strings.Contains(v.tally.Failures[0], "GET /: status 503: {} (attempts: 4 in 12") {
			t.Errorf("described as %q", v.tally.Failures)
		}
	})
}

func TestARequestCutOffIsNotCounted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	v := newVisit(ctx, func(*http.Request) (*http.Response, error) {
		cancel()
		return nil, context.Canceled
	})
	if v.ask(request{method: "GET", path: "/", want: []int{200}}) || v.tally.Requests != 0 || v.tally.Failed != 0 || !v.over {
		t.Errorf("tally %+v, over %t", v.tally, v.over)
	}
}

func TestPaceSpreadsRequestsEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(100)
		began := time.Now()
		for range 50 {
			p.wait(t.Context())
		}
		if took := time.Since(began); took != 490*time.Millisecond {
			t.Errorf("50 requests at 100 a second took %s, want 490ms", took)
		}
		time.Sleep(time.Minute)
		began = time.Now()
		p.wait(t.Context())
		p.wait(t.Context())
		if took := time.Since(began); took != 10*time.Millisecond {
			t.Errorf("after a pause two requests took %s: what nobody used was made up for", took)
		}
	})
}
