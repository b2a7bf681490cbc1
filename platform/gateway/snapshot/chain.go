package snapshot

import (
	"context"
	"net/http"
	"slices"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// Chain is the filters of a route, in their order. A nil Chain has none. It never changes
// and is safe for concurrent use.
type Chain struct {
	filters   []filter.Filter
	answerers []filter.Answerer
	enders    []filter.Ender
	wrapped   []http.Handler // of each Middleware, the first outermost
	owned     []string       // fields that only these filters may set
}

func newChain(list []*held) *Chain {
	if len(list) == 0 {
		return nil
	}
	c := &Chain{}
	for _, h := range list {
		c.filters = append(c.filters, h.filter)
		if f, ok := h.filter.(filter.Answerer); ok {
			c.answerers = append(c.answerers, f)
		}
		if f, ok := h.filter.(filter.Ender); ok {
			c.enders = append(c.enders, f)
		}
		if f, ok := h.filter.(filter.Owner); ok {
			c.owned = append(c.owned, f.Owns()...)
		}
		if h.wrapped != nil {
			c.wrapped = append(c.wrapped, h.wrapped)
		}
	}
	return c
}

// Judge asks each filter, until one ends the request: its error is a *filter.Answer or a
// *problem.Error.
func (c *Chain) Judge(ctx context.Context, r *filter.Request) error {
	if c == nil {
		return nil
	}
	if len(c.owned) > 0 {
		filter.Purge(r.Fields, c.owned...)
	}
	for _, f := range c.filters {
		if err := f.Request(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// Answer lets the filters change the fields of an answer, the last one first.
func (c *Chain) Answer(r *filter.Request, status int, fields filter.Fields) {
	if c == nil {
		return
	}
	for _, f := range slices.Backward(c.answerers) {
		f.Answer(r, status, fields)
	}
}

// End tells the filters that a request ended which all of them let through.
func (c *Chain) End(r *filter.Request, status int) {
	if c == nil {
		return
	}
	for _, f := range c.enders {
		f.End(r, status)
	}
}

// Answers reports whether Answer does anything.
func (c *Chain) Answers() bool { return c != nil && len(c.answerers) > 0 }

// Whole reports whether a filter works on whole requests, so that they must pass [Chain.Serve].
func (c *Chain) Whole() bool { return c != nil && len(c.wrapped) > 0 }

// Serve passes a request through the filters that work on whole ones, and then to last.
func (c *Chain) Serve(w http.ResponseWriter, r *http.Request, last http.Handler) {
	if !c.Whole() {
		last.ServeHTTP(w, r)
		return
	}
	serve(w, r, c.wrapped, last)
}

// What is left of a request's way lies in its context: so a Middleware wraps one handler
// for all requests of all routes, as those expect that keep something in their closure.
type (
	nextKey struct{}
	next    struct {
		left []http.Handler
		last http.Handler
	}
)

func serve(w http.ResponseWriter, r *http.Request, left []http.Handler, last http.Handler) {
	if len(left) == 0 {
		last.ServeHTTP(w, r)
		return
	}
	ctx := context.WithValue(r.Context(), nextKey{}, &next{left[1:], last})
	left[0].ServeHTTP(w, r.WithContext(ctx))
}

// goOn is the handler that each Middleware wraps.
func goOn(w http.ResponseWriter, r *http.Request) {
	if n, ok := r.Context().Value(nextKey{}).(*next); ok {
		serve(w, r, n.left, n.last)
	}
}
