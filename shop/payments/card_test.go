package payments

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
)

// card is a card processor by its contract: what it does once for a key, and the ways
// in which it fails to say so.
type card struct {
	mu       sync.Mutex
	poor     bool                            // it declines
	answers  map[string]answer               // by key
	captured map[string]int64                // by order
	refunded map[string]int64                // by order
	charges  map[string]int                  // captures by order
	silent   func(moment, order string) bool // see RoundTrip
	status   int                             // other than 0: it answers with that
}

func newCard() *card {
	return &card{answers: map[string]answer{}, captured: map[string]int64{}, refunded: map[string]int64{}, charges: map[string]int{}}
}

// RoundTrip carries a request out. Where silent says so of a moment, before the effect or
// after it, nothing is answered until the caller gives up.
func (c *card) RoundTrip(r *http.Request) (*http.Response, error) {
	var in struct {
		Reference string `json:"reference"`
		Cents     int64  `json:"cents"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	if c.strike("before "+r.URL.Path, in.Reference) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	status, a := c.do(r.URL.Path, r.Header.Get("Idempotency-Key"), in.Reference, in.Cents)
	if c.strike("after "+r.URL.Path, in.Reference) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	text, err := json.Marshal(a)
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Request: r, Body: io.NopCloser(bytes.NewReader(text)),
	}, err
}

func (c *card) strike(moment, order string) bool {
	c.mu.Lock()
	silent := c.silent
	c.mu.Unlock()
	return silent != nil && silent(moment, order)
}

func (c *card) do(path, key, order string, cents int64) (int, answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		return c.status, answer{}
	}
	if key == "" {
		return http.StatusBadRequest, answer{}
	}
	if a, ok := c.answers[key]; ok {
		return http.StatusCreated, a
	}
	a := answer{ID: "id of " + key, Cents: cents}
	switch {
	case path == "/v1/charges" && c.poor:
		a.State = declined
	case path == "/v1/charges":
		a.State = captured
		c.captured[order] += cents
		c.charges[order]++
	case c.captured[order] == 0:
		return http.StatusConflict, answer{}
	default:
		a.State, a.Cents = refunded, c.captured[order]-c.refunded[order]
		c.refunded[order] = c.captured[order]
	}
	c.answers[key] = a
	return http.StatusCreated, a
}
